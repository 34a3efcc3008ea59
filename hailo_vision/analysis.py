"""One prompt about many images, each in a generation of its own."""

import time
from collections.abc import AsyncIterator

from hailo_vision import conversation
from hailo_vision.conversation import ImageSource
from hailo_vision.errors import ApiError
from hailo_vision.responses import Analysis, AnalyzeResponse, ErrorDetail, PromptTokensDetails, Usage
from hailo_vision.schema import AnalyzeRequest
from hailo_vision.service import Service

_ECHO = 100


async def analyze(service: Service, body: AnalyzeRequest, client: str) -> AnalyzeResponse:
    """The answers about all images.

    Raises:
        ApiError: every image failed in the same way, or the first could not even be queued.
    """
    started = time.monotonic()
    errors: list[ApiError] = []
    results = [result async for result in analyses(service, body, client, errors)]
    if len(errors) == len(results) and len({(error.status, error.code) for error in errors}) == 1:
        raise errors[0]
    usages = [result.usage for result in results if result.usage]
    return AnalyzeResponse(
        service.config.model.name, results, _total(usages), round((time.monotonic() - started) * 1000)
    )


async def analyses(
    service: Service, body: AnalyzeRequest, client: str, errors: list[ApiError]
) -> AsyncIterator[Analysis]:
    """One result after the other; the next image is queued when the one before is done, so that other
    requests get their turn in between."""
    sources = [
        ImageSource(image, f"images[{number}]")
        if isinstance(image, str)
        else conversation.image_source(image, f"images[{number}]")
        for number, image in enumerate(body.images)
    ]
    service.scheduler.admit()
    for number, source in enumerate(sources):
        echo = source.text[:_ECHO] + "..." if len(source.text) > _ECHO else source.text
        started = time.monotonic()
        try:
            generation = service.generate(
                conversation.question(body.prompt, source, body.system),
                body,
                source.param,
                client,
                bounded=False,
            )
            text = await generation.text()
        except ApiError as error:
            errors.append(error)
            detail = ErrorDetail(error.message, error.type, error.param, error.code)
            yield Analysis(number, echo, inference_time_ms=_ms_since(started), error=detail)
        else:
            yield Analysis(
                number, echo, text, generation.finish_reason, generation.usage(), _ms_since(started)
            )


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _total(usages: list[Usage]) -> Usage:
    details = [usage.prompt_tokens_details for usage in usages]
    return Usage(
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.completion_tokens for usage in usages),
        sum(usage.total_tokens for usage in usages),
        PromptTokensDetails(
            cached_tokens=sum(detail.cached_tokens for detail in details),
            image_tokens=sum(detail.image_tokens for detail in details),
            text_tokens=sum(detail.text_tokens for detail in details),
        ),
    )
