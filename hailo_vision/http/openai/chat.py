"""POST /v1/chat/completions"""

import time
import uuid
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision import __version__
from hailo_vision.config import ApiConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import decode
from hailo_vision.http.errors import Failure
from hailo_vision.http.events import Stream, Wire, server_sent
from hailo_vision.http.openai import errors
from hailo_vision.http.openai.answer_types import (
    AssistantReply,
    ChatChunk,
    ChatCompletion,
    Choice,
    ChunkChoice,
    Delta,
    timings_of,
    usage_of,
)
from hailo_vision.http.openai.reading import json_format_of, options_of, turns_of
from hailo_vision.http.openai.request_types import KNOWN_VALUES, ChatRequest
from hailo_vision.http.web import json_response, patience_of
from hailo_vision.inference.answer import Answer, whole_text
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.inference.service import Service

_decoder = msgspec.json.Decoder(ChatRequest)
_encode = msgspec.json.encode
_FINGERPRINT = f"hailo-vision-{__version__}"


async def chat(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    body = decode(request.body, _decoder, KNOWN_VALUES)
    wanted = _read(body, service.config.api, request.ctx.client)
    service.check_model(body.model)
    service.admit(patience_of(request))
    answer = service.answer(wanted)
    request.ctx.record.answers.append(answer)
    model = service.config.model.name
    completion_id, created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
    if body.stream:
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        await _stream(request, answer, ChunkWriter(completion_id, created, model, with_usage))
        return None
    text = await whole_text(answer)
    return json_response(
        ChatCompletion(
            id=completion_id,
            created=created,
            model=model,
            choices=(Choice(message=AssistantReply(content=text), finish_reason=answer.finish_reason),),
            usage=usage_of(answer.usage),
            system_fingerprint=_FINGERPRINT,
            timings=timings_of(answer.usage, answer.timings),
            json_report=answer.report or msgspec.UNSET,
        )
    )


def _read(body: ChatRequest, config: ApiConfig, client: str) -> GenerationRequest:
    """Raises:
    RequestError: the body asks for what can't be done here.
    """
    _refuse_unsupported(body, config)
    return GenerationRequest(
        turns=turns_of(body.messages),
        where="messages",
        json=json_format_of(body.response_format, supported=config.json_mode != "refuse"),
        client=client,
        **options_of(body),
    )


def _refuse_unsupported(body: ChatRequest, config: ApiConfig) -> None:
    if body.model is None and config.model_required:
        raise RequestError(Kind.MISSING_PARAMETER, "Missing required parameter: 'model'.", where="model")
    if body.n is not None and body.n > 1:
        raise RequestError(Kind.INVALID_VALUE, "Only one choice can be generated: n must be 1.", where="n")
    if body.top_logprobs and not body.logprobs:
        raise RequestError(Kind.INVALID_VALUE, "top_logprobs needs logprobs.", where="top_logprobs")
    unsupported = {
        "logprobs": "The NPU gives no log probabilities." if body.logprobs else "",
        "logit_bias": "The NPU takes no logit_bias." if body.logit_bias else "",
        "modalities": "Only text can be generated." if "audio" in (body.modalities or ()) else "",
        "tool_choice": _no_tools(body.tool_choice),
        "function_call": _no_tools(body.function_call),
    }
    for field, reason in unsupported.items():
        if reason:
            raise RequestError(Kind.UNSUPPORTED_PARAMETER, reason, where=field)


def _no_tools(choice: object) -> str:
    """Why a choice of tools can't be met; "" where the model may do without one."""
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools")
        choice = allowed.get("mode") if isinstance(allowed, dict) else None
    if choice in (None, "none", "auto"):
        return ""
    return "This model calls no tools: tool_choice can be 'none' or 'auto'."


class ChunkWriter:
    """The chunks of one streamed completion, all with the same id, time and model; the first has the role."""

    def __init__(self, completion_id: str, created: int, model: str, with_usage: bool) -> None:
        """with_usage: the client asked for a last chunk with the counts of tokens."""
        self._with_usage = with_usage
        self._make = partial(
            ChatChunk, id=completion_id, created=created, model=model, system_fingerprint=_FINGERPRINT
        )
        self._no_usage = None if with_usage else msgspec.UNSET
        self._begun = False
        # Only the text differs from chunk to chunk. No string holds this: quotes in one are escaped.
        before, _, self._after = self._delta(Delta(content="")).partition(b'"content":""')
        self._before = before + b'"content":'

    def texts(self, texts: list[str]) -> bytes:
        return server_sent(*self._role(), *map(self.text, texts))

    def text(self, text: str) -> bytes:
        """One chunk, without its framing."""
        return b"%b%b%b" % (self._before, _encode(text), self._after)

    def heartbeat(self) -> bytes:
        """The role chunk, or a chunk that adds nothing."""
        return server_sent(*(self._role() or [self._delta(Delta())]))

    def end(self, answer: Answer) -> bytes:
        last = [*self._role(), self._finish(answer)]
        if self._with_usage:
            last.append(_encode(self._make(choices=(), usage=usage_of(answer.usage))))
        return server_sent(*last, b"[DONE]")

    def failure(self, failure: Failure) -> bytes:
        return server_sent(errors.body(failure), b"[DONE]")

    def _role(self) -> list[bytes]:
        if self._begun:
            return []
        self._begun = True
        return [self._delta(Delta("assistant", ""))]

    def _delta(self, delta: Delta) -> bytes:
        return _encode(self._make(choices=(ChunkChoice(delta=delta),), usage=self._no_usage))

    def _finish(self, answer: Answer) -> bytes:
        more: dict[str, Any] = {
            "choices": (ChunkChoice(delta=Delta(), finish_reason=answer.finish_reason),),
            "usage": self._no_usage,
            "timings": timings_of(answer.usage, answer.timings),
            "json_report": answer.report or msgspec.UNSET,
        }
        return _encode(self._make(**more))


async def _stream(request: Request, answer: Answer, chunks: ChunkWriter) -> None:
    """Send an answer as it comes.

    Raises:
        RequestError: it failed before anything was sent.
    """
    wire = Wire("text/event-stream; charset=utf-8", chunks.heartbeat, chunks.failure)
    async with Stream(request, wire) as stream, aclosing(answer.texts()) as parts:
        async for texts in parts:
            await stream.send(chunks.texts(texts))
        await stream.send(chunks.end(answer))
