"""POST /v1/vision/analyze: one prompt about many images, each in a generation of its own."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.errors import ApiError, InvalidRequest
from hailo_vision.http.openai.answer_types import (
    Analysis,
    AnalyzeResponse,
    AnalyzeSummary,
    ErrorDetail,
    Usage,
    total,
)
from hailo_vision.http.openai.request_types import AnalyzeRequest, decode
from hailo_vision.http.openai.streaming import EventStream
from hailo_vision.http.request_log import Account
from hailo_vision.http.web import client_of, json_response, patience_of
from hailo_vision.inference import conversation
from hailo_vision.inference.conversation import ImageSource
from hailo_vision.inference.service import Service

_decoder = msgspec.json.Decoder(AnalyzeRequest)
_ECHO = 100


async def analyze(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    body = decode(request.body, _decoder)
    service.check_model(body.model)
    service.scheduler.admit(patience=patience_of(request))
    batch = Batch(service, body, client_of(request), request.ctx.account)
    if body.stream:
        await _stream(request, batch)
        return None
    results = [result async for result in batch.results()]
    if error := batch.common_error(len(results)):
        raise error
    return json_response(
        AnalyzeResponse(
            service.config.model.name, results, total(batch.usages), _ms_since(request.ctx.account.started)
        )
    )


class Batch:
    """The images of one request.

    Attributes:
        usages: of the images that were answered.
        errors: of those that were not.
    """

    def __init__(self, service: Service, body: AnalyzeRequest, client: str, account: Account) -> None:
        """Raises:
        InvalidRequest: more images than one request may have, or a part that names none.
        """
        limit = service.config.api.max_batch_images
        if len(body.images) > limit:
            raise InvalidRequest(
                f"The request has {len(body.images)} images; {limit} are allowed.",
                code="too_many_images",
                param="images",
            )
        self._service = service
        self._body = body
        self._client = client
        self._account = account
        self._sources = _sources(body)
        self.usages: list[Usage] = []
        self.errors: list[ApiError] = []

    async def results(self) -> AsyncGenerator[Analysis, None]:
        """One result after the other; the next image is queued when the one before is done, so that other
        requests get their turn in between."""
        for number, source in enumerate(self._sources):
            yield await self._result(number, source)

    async def _result(self, number: int, source: ImageSource) -> Analysis:
        echo = source.text[:_ECHO] + "..." if len(source.text) > _ECHO else source.text
        started = time.monotonic()
        body = self._body
        try:
            generation = self._service.generate(
                conversation.question(body.prompt, source, body.system),
                body,
                source.param,
                self._client,
                bounded=False,
            )
            self._account.generations.append(generation)
            text = await generation.text()
        except ApiError as error:
            self.errors.append(error)
            detail = ErrorDetail(error.message, error.type, error.param, error.code)
            return Analysis(number, echo, inference_time_ms=_ms_since(started), error=detail)
        usage = generation.usage()
        self.usages.append(usage)
        return Analysis(number, echo, text, generation.finish_reason, usage, _ms_since(started))

    def common_error(self, count: int) -> ApiError | None:
        """The error that is the whole answer: every one of the images failed in the same way."""
        kinds = {(error.status, error.code) for error in self.errors}
        return self.errors[0] if len(self.errors) == count and len(kinds) == 1 else None


async def _stream(request: Request, batch: Batch) -> None:
    """One event for each image when it is done, then a summary."""
    async with EventStream.of(request) as stream, aclosing(batch.results()) as results:
        async for result in results:
            await stream.send(msgspec.json.encode(result))
        service: Service = request.app.ctx.service
        await stream.send(
            msgspec.json.encode(
                AnalyzeSummary(
                    service.config.model.name,
                    len(batch.usages),
                    len(batch.errors),
                    total(batch.usages),
                    _ms_since(request.ctx.account.started),
                )
            )
        )
        await stream.end()


def _sources(body: AnalyzeRequest) -> Sequence[ImageSource]:
    return [
        ImageSource(image, f"images[{number}]")
        if isinstance(image, str)
        else conversation.image_source(image, f"images[{number}]")
        for number, image in enumerate(body.images)
    ]


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
