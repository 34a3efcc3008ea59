"""POST /api/chat and /api/generate: an answer, whole or line by line; or the model loaded or unloaded."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.errors import RequestError
from hailo_vision.http.body import Known, decode
from hailo_vision.http.errors import Failure
from hailo_vision.http.fields import check_model, keep_alive_of
from hailo_vision.http.ollama import errors
from hailo_vision.http.ollama.answer_types import ChatReply, GenerateReply, ReplyMessage
from hailo_vision.http.ollama.reading import options_of, turns_of_chat, turns_of_generate
from hailo_vision.http.ollama.request_types import ChatRequest, GenerateRequest, GenerationFields
from hailo_vision.http.respond import respond
from hailo_vision.http.web import json_response
from hailo_vision.inference.answer import Answer
from hailo_vision.inference.request import GenerationRequest, Turn
from hailo_vision.inference.service import Service

B = TypeVar("B", bound=GenerationFields)
Reply = ChatReply | GenerateReply
# Makes a reply of a text and the additional fields of the last reply.
Make = Callable[[str, dict[str, Any]], Reply]

NDJSON = "application/x-ndjson"
_chat = msgspec.json.Decoder(ChatRequest)
_generate = msgspec.json.Decoder(GenerateRequest)
_ROLES = ((re.compile(r"\.role$"), "system, user, assistant, tool"),)
_PARTS = "It is a text here; a list of parts is OpenAI's form, which goes to /v1/chat/completions."


async def chat(request: Request) -> HTTPResponse | None:
    """POST /api/chat"""
    body, model = await _read(request, _chat, _ROLES)

    def make(text: str, end: dict[str, Any]) -> ChatReply:
        return ChatReply(model=model, created_at=now(), message=ReplyMessage(text), **end)

    return await _reply(request, body, turns_of_chat(body), "messages", make)


async def generate(request: Request) -> HTTPResponse | None:
    """POST /api/generate"""
    body, model = await _read(request, _generate)

    def make(text: str, end: dict[str, Any]) -> GenerateReply:
        return GenerateReply(model=model, created_at=now(), response=text, **end)

    return await _reply(request, body, turns_of_generate(body, model), "prompt", make)


async def _read(request: Request, decoder: "msgspec.json.Decoder[B]", known: Known = ()) -> tuple[B, str]:
    """The body, and the model's name as the client has it."""
    try:
        body = await decode(request.body, decoder, known)
    except RequestError as error:
        if error.where and error.where.endswith(".content") and "got `array`" in error.message:
            raise RequestError(error.kind, f"{error.message} {_PARTS}", where=error.where) from error
        raise
    return body, model_of(request, body.model)


def model_of(request: Request, name: str | None) -> str:
    """The model's name as the client has it.

    Raises:
        RequestError: it is missing, or is none that is served here.
    """
    service: Service = request.app.ctx.service
    try:
        check_model(service, name)
    except RequestError as error:
        if name is None:
            raise
        # Clients look for Ollama's own words, and its users for what there is instead.
        raise RequestError(error.kind, f"model {name[:80]!r} not found. {error.message}") from error
    return service.config.model.name if name is None else name


async def _reply(
    request: Request, body: GenerationFields, turns: Sequence[Turn], where: str, make: Make
) -> HTTPResponse | None:
    """Answer a conversation, which the field `where` holds; without one, load or unload the model."""
    service: Service = request.app.ctx.service
    if not turns:
        if (keep_alive := keep_alive_of(body.keep_alive)) == 0:
            service.unload()
        else:
            await service.load(keep_alive)
        return json_response(make("", {"done": True, "done_reason": "unload" if keep_alive == 0 else "load"}))
    options = options_of(body, service.config.api, service.config.generation.max_tokens)
    wanted = GenerationRequest(turns=turns, where=where, client=request.ctx.client, **options)
    writer = ReplyWriter(make, request.ctx.record.started)
    return await respond(request, wanted, writer, stream=body.stream is not False)


class ReplyWriter:
    """Writes an answer as replies: a whole one, or a line for each piece."""

    content_type = NDJSON

    def __init__(self, make: Make, started: float) -> None:
        """started: when the request came, in seconds of time.monotonic()."""
        self._make = make
        self._started = started

    def whole(self, text: str, answer: Answer) -> Reply:
        usage, timings = answer.usage, answer.timings
        end = {
            "done": True,
            "done_reason": answer.finish_reason,
            "total_duration": _nanoseconds(time.monotonic() - self._started),
            "load_duration": _nanoseconds(timings.load),
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": _nanoseconds(timings.prefill),
            "eval_count": usage.completion_tokens,
            "eval_duration": _nanoseconds(timings.decode),
        }
        return self._make(text, end)

    def texts(self, texts: list[str]) -> bytes:
        return b"".join([line(self._make(text, {})) for text in texts])

    def heartbeat(self) -> bytes:
        """An empty text."""
        return line(self._make("", {}))

    def end(self, answer: Answer) -> bytes:
        return line(self.whole("", answer))

    def failure(self, failure: Failure) -> bytes:
        return errors.body(failure) + b"\n"


def line(value: object) -> bytes:
    """One line of a stream. An empty one would crash most clients, ollama-py among them."""
    return msgspec.json.encode(value) + b"\n"


def now() -> datetime:
    return datetime.now(UTC)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
