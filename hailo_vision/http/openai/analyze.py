"""POST /v1/vision/analyze: one prompt about many images, each in a generation of its own."""

import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import decode
from hailo_vision.http.errors import Failure, failure_of
from hailo_vision.http.events import Stream, Wire, server_sent
from hailo_vision.http.openai import errors
from hailo_vision.http.openai.answer_types import Analysis, AnalyzeResponse, AnalyzeSummary, usage_of
from hailo_vision.http.openai.reading import image_of, json_format_of, options_of
from hailo_vision.http.openai.request_types import KNOWN_VALUES, AnalyzeRequest
from hailo_vision.http.request_log import RequestRecord
from hailo_vision.http.web import json_response, patience_of
from hailo_vision.inference.answer import Usage, whole_text
from hailo_vision.inference.request import GenerationRequest, Image, JsonFormat, Turn
from hailo_vision.inference.service import Service

_decoder = msgspec.json.Decoder(AnalyzeRequest)
_encode = msgspec.json.encode
_ECHO = 100
_LONGEST_LINK = 8192
_LOGIN = re.compile(r"(?<=:)//[^/?#]*@")  # of a link


async def analyze(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    body = decode(request.body, _decoder, KNOWN_VALUES)
    service.check_model(body.model)
    batch = Batch(service, body, request.ctx.client, request.ctx.record)
    service.admit(patience_of(request))
    if body.stream:
        await _stream(request, batch)
        return None
    results = [result async for result in batch.results()]
    if error := batch.common_error(len(results)):
        raise error
    return json_response(batch.response(results))


class Batch:
    """The images of one request."""

    def __init__(self, service: Service, body: AnalyzeRequest, client: str, record: RequestRecord) -> None:
        """Raises:
        RequestError: more images than one request may have, or a part that names none.
        """
        limit = service.config.api.max_batch_images
        if len(body.images) > limit:
            raise RequestError(
                Kind.TOO_MANY_IMAGES,
                f"The request has {len(body.images)} images; {limit} are allowed.",
                where="images",
            )
        self._service = service
        self._record = record
        supported = service.config.api.json_mode != "refuse"
        json = json_format_of(body.response_format, supported=supported)
        self._requests = [_read(body, image, json, client) for image in _images(body)]
        self._usage = Usage()
        self._errors: list[RequestError] = []

    async def results(self) -> AsyncGenerator[Analysis, None]:
        """One result after the other; the next image is queued when the one before is done, so that other
        requests get their turn in between."""
        for number, wanted in enumerate(self._requests):
            yield await self._result(number, wanted)

    async def _result(self, number: int, wanted: GenerationRequest) -> Analysis:
        source = _LOGIN.sub("//", wanted.images[0].source[:_LONGEST_LINK])
        echo = source[:_ECHO] + "..." if len(source) > _ECHO else source
        started = time.monotonic()
        try:
            answer = self._service.answer(wanted)
            self._record.answers.append(answer)
            text = await whole_text(answer)
        except RequestError as error:
            self._errors.append(error)
            detail = errors.detail(failure_of(error))
            return Analysis(number, echo, inference_time_ms=_ms_since(started), error=detail)
        self._usage += answer.usage
        usage = usage_of(answer.usage)
        return Analysis(number, echo, text, answer.finish_reason, usage, _ms_since(started))

    def common_error(self, count: int) -> RequestError | None:
        """The error that is the whole answer: every one of the images failed in the same way."""
        kinds = {error.kind for error in self._errors}
        return self._errors[0] if len(self._errors) == count and len(kinds) == 1 else None

    def response(self, results: list[Analysis]) -> AnalyzeResponse:
        model, milliseconds = self._service.config.model.name, _ms_since(self._record.started)
        return AnalyzeResponse(model, results, usage_of(self._usage), milliseconds)

    def summary(self) -> AnalyzeSummary:
        failed = len(self._errors)
        return AnalyzeSummary(
            self._service.config.model.name,
            len(self._requests) - failed,
            failed,
            usage_of(self._usage),
            _ms_since(self._record.started),
        )


async def _stream(request: Request, batch: Batch) -> None:
    """One event for each image when it is done, then a summary."""
    wire = Wire("text/event-stream; charset=utf-8", _heartbeat, _failure)
    async with Stream(request, wire) as stream, aclosing(batch.results()) as results:
        async for result in results:
            await stream.send(server_sent(_encode(result)))
        await stream.send(server_sent(_encode(batch.summary()), b"[DONE]"))


def _heartbeat() -> bytes:
    """A comment: an event stands for an image here."""
    return b": keep-alive\n\n"


def _failure(failure: Failure) -> bytes:
    return server_sent(errors.body(failure), b"[DONE]")


def _images(body: AnalyzeRequest) -> list[Image]:
    places = [f"images[{number}]" for number in range(len(body.images))]
    return [
        Image(image, where) if isinstance(image, str) else image_of(image, where)
        for image, where in zip(body.images, places, strict=True)
    ]


def _read(body: AnalyzeRequest, image: Image, json: JsonFormat | None, client: str) -> GenerationRequest:
    turns = [Turn("user", [image, body.prompt])]
    if body.system:
        turns.insert(0, Turn("system", [body.system]))
    return GenerationRequest(turns=turns, where=image.where, json=json, client=client, **options_of(body))


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
