"""POST /v1/vision/analyze: one prompt about many images, each in a generation of its own."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import decode
from hailo_vision.http.errors import Failure, failure_of
from hailo_vision.http.events import SERVER_SENT, Stream, server_sent
from hailo_vision.http.fields import refuse_others
from hailo_vision.http.openai import errors
from hailo_vision.http.openai.answer_types import Analysis, AnalyzeResponse, AnalyzeSummary, usage_of
from hailo_vision.http.openai.reading import image_of, json_format_of, options_of, refuse_unsupported
from hailo_vision.http.openai.request_types import KNOWN_VALUES, AnalyzeRequest
from hailo_vision.http.request_log import RequestRecord
from hailo_vision.http.respond import patience_of
from hailo_vision.http.web import json_response
from hailo_vision.inference.answer import Usage, whole_text
from hailo_vision.inference.request import GenerationRequest, Turn
from hailo_vision.inference.service import Service

_decoder = msgspec.json.Decoder(AnalyzeRequest)
_encode = msgspec.json.encode
_ECHO = 100
_LONGEST_LINK = 8192
_LOGIN = re.compile(r"(?<=:)//[^/?#]*@")  # of a link


async def analyze(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    body = await decode(request.body, _decoder, KNOWN_VALUES)
    refuse_others(body)
    refuse_unsupported(body)
    service.check_model(body.model)
    batch = Batch(service, body, request.ctx.client, request.ctx.record)
    with service.scheduler.admitted(patience_of(request)):
        if not body.stream:
            return json_response(await batch.whole())
        async with Stream(request, batch) as stream, aclosing(batch.results()) as results:
            async for result in results:
                await stream.send(server_sent(_encode(result)))
            await stream.send(server_sent(_encode(batch.summary()), b"[DONE]"))
    return None


class Batch:
    """The images of one request; streamed, there is an event for each when it is done, then a summary."""

    content_type = SERVER_SENT

    def __init__(self, service: Service, body: AnalyzeRequest, client: str, record: RequestRecord) -> None:
        """Raises:
        RequestError: more images than one request may have, or a part that names none.
        """
        limit = service.config.api.max_batch_images
        if len(body.images) > limit:
            message = f"The request has {len(body.images)} images; {limit} are allowed."
            raise RequestError(Kind.TOO_MANY_IMAGES, message, where="images")
        self._service = service
        self._record = record
        json = json_format_of(body.response_format, service.config.api)
        images = [image_of(image, f"images[{number}]") for number, image in enumerate(body.images)]
        system = [Turn("system", [body.system])] if body.system else []
        options = options_of(body, "max_completion_tokens", "max_tokens")
        self._requests = [
            GenerationRequest(
                turns=[*system, Turn("user", [image, body.prompt])],
                where="prompt",
                json=json,
                client=client,
                **options,
            )
            for image in images
        ]
        self._usage = Usage()
        self._errors: list[RequestError] = []

    async def results(self) -> AsyncGenerator[Analysis, None]:
        """One result after the other; the next image is queued when the one before is done, so that other
        requests get their turn in between."""
        for number, wanted in enumerate(self._requests):
            source = _LOGIN.sub("//", wanted.images[0].source[:_LONGEST_LINK])
            echo = source[:_ECHO] + "..." if len(source) > _ECHO else source
            started = time.monotonic()
            try:
                answer = self._service.answer(wanted)
                self._record.answers.append(answer)
                text = await whole_text(answer)
            except RequestError as error:
                self._errors.append(error.with_traceback(None))  # its frames hold the image
                detail = errors.detail(failure_of(error))
                await asyncio.sleep(0)  # what is refused at once would hold up the event loop, all together
                yield Analysis(number, echo, inference_time_ms=_ms_since(started), error=detail)
                continue
            self._usage += answer.usage
            yield Analysis(
                number,
                echo,
                text,
                answer.finish_reason,
                usage_of(answer.usage),
                _ms_since(started),
                json_report=answer.report or msgspec.UNSET,
            )
        if len(self._errors) == len(self._requests):
            self._record.code = self._errors[0].kind

    async def whole(self) -> AnalyzeResponse:
        """All results together.

        Raises:
            RequestError: every one of the images failed in the same way.
        """
        results = [result async for result in self.results()]
        if len(self._errors) == len(results) and len({error.kind for error in self._errors}) == 1:
            raise self._errors[0]
        model, milliseconds = self._service.config.model.name, _ms_since(self._record.started)
        return AnalyzeResponse(model, results, usage_of(self._usage), milliseconds)

    def summary(self) -> AnalyzeSummary:
        return AnalyzeSummary(
            model=self._service.config.model.name,
            succeeded=len(self._requests) - len(self._errors),
            failed=len(self._errors),
            usage=usage_of(self._usage),
            total_inference_time_ms=_ms_since(self._record.started),
        )

    def heartbeat(self) -> bytes:
        """A comment: an event stands for an image here."""
        return b": keep-alive\n\n"

    def failure(self, failure: Failure) -> bytes:
        return server_sent(errors.body(failure), b"[DONE]")


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
