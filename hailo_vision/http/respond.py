"""The way from a request that has been read to its response: queued, generated, written as it comes."""

import math
from contextlib import aclosing
from typing import Protocol

from sanic import HTTPResponse, Request

from hailo_vision.http.events import Stream, Wire
from hailo_vision.http.web import json_response
from hailo_vision.inference.answer import Answer, whole_text
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.inference.service import Service


class Writer(Wire, Protocol):
    """Writes one answer in the form of a dialect; all bytes are what is sent, framing included."""

    def whole(self, text: str, answer: Answer) -> object:
        """What becomes the JSON of an answer that is not streamed."""

    def texts(self, texts: list[str]) -> bytes:
        """What is sent when parts of the answer have come."""

    def end(self, answer: Answer) -> bytes:
        """What ends a complete stream."""


async def respond(
    request: Request, wanted: GenerationRequest, writer: Writer, *, stream: bool
) -> HTTPResponse | None:
    """Ask the model, and write its answer; None if it was streamed.

    Raises:
        RequestError: it can't be answered, now or as it is, and nothing was sent yet.
    """
    service: Service = request.app.ctx.service
    with service.scheduler.admitted(patience_of(request)):
        answer = service.answer(wanted)
        request.ctx.record.answers.append(answer)
        if not stream:
            return json_response(writer.whole(await whole_text(answer), answer))
        async with Stream(request, writer) as response, aclosing(answer.texts()) as parts:
            async for texts in parts:
                await response.send(writer.texts(texts))
            await response.send(writer.end(answer))
    return None


def patience_of(request: Request) -> float:
    """Seconds that the client waits for an answer, as OpenAI's SDKs say; math.inf if it does not say."""
    try:
        seconds = float(request.headers.get("x-stainless-read-timeout", "inf"))
    except ValueError:
        return math.inf
    return seconds if seconds > 0 else math.inf
