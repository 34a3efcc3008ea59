"""POST /v1/chat/completions"""

import time
from functools import cached_property
from typing import Any, Literal

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision import __version__
from hailo_vision.http.body import decode
from hailo_vision.http.errors import Failure
from hailo_vision.http.events import SERVER_SENT, server_sent
from hailo_vision.http.fields import check_model, refuse_others
from hailo_vision.http.openai import answer_types, errors
from hailo_vision.http.openai.answer_types import ChunkChoice, Delta, FunctionCall, timings_of, usage_of
from hailo_vision.http.openai.reading import json_format_of, options_of, refuse_unsupported, turns_of
from hailo_vision.http.openai.request_types import KNOWN_VALUES, ChatRequest
from hailo_vision.http.openai.tools import ForcedTools, forced
from hailo_vision.http.respond import respond
from hailo_vision.http.web import new_id
from hailo_vision.inference.answer import Answer
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.inference.service import Service

_encode = msgspec.json.encode
_FINGERPRINT = f"hailo-vision-{__version__}"
_decoder = msgspec.json.Decoder(ChatRequest)
_ELSEWHERE = {
    "input": "A body with 'input' goes to /v1/responses.",
    "prompt": "A prompt without messages goes to /v1/vision/analyze or, in Ollama's form, to /api/generate.",
}


async def chat(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    api = service.config.api
    body = await decode(request.body, _decoder, KNOWN_VALUES, _ELSEWHERE)
    refuse_others(body)
    refuse_unsupported(body)
    check_model(service, body.model)
    # Also in the form that OpenAI gave up (functions).
    tools = forced(body.tool_choice, body.tools, api) or forced(
        body.function_call, body.functions, api, "functions", "function_call"
    )
    format_ = json_format_of(body.response_format, api)
    wanted = GenerationRequest(
        turns=turns_of({f"messages[{n}]": message for n, message in enumerate(body.messages)}, body),
        where="messages",
        json=tools.json if tools else format_,
        client=request.ctx.client,
        **options_of(body, "max_completion_tokens", "max_tokens"),
    )
    with_usage = bool(body.stream_options and body.stream_options.include_usage)
    writer = ChunkWriter(service.config.model.name, tools, legacy=not body.tools, with_usage=with_usage)
    return await respond(request, wanted, writer, stream=bool(body.stream))


class ChunkWriter:
    """One completion, whole or in chunks with the same id, time and model; the first chunk has the role.

    Attributes:
        fields: what is the same in all of them.
    """

    content_type = SERVER_SENT

    def __init__(self, model: str, tools: ForcedTools | None, *, legacy: bool, with_usage: bool) -> None:
        """
        Args:
            legacy: a call is written in the form that OpenAI gave up (function_call).
            with_usage: the client asked for a last chunk with the counts of tokens.
        """
        self.fields: dict[str, Any] = {
            "id": new_id("chatcmpl-"),
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": _FINGERPRINT,
        }
        self._tools = tools
        self._legacy = legacy
        self._with_usage = with_usage
        self._begun = self._called = False

    def whole(self, text: str, answer: Answer) -> answer_types.ChatCompletion:
        message = answer_types.AssistantReply(content=None if self._tools else text, **self._call(text))
        return answer_types.ChatCompletion(
            choices=(answer_types.Choice(message=message, finish_reason=self._finish_reason(answer)),),
            usage=usage_of(answer.usage),
            timings=timings_of(answer.usage, answer.timings),
            json_report=answer.report or msgspec.UNSET,
            **self.fields,
        )

    def texts(self, texts: list[str]) -> bytes:
        return server_sent(*self._role(), *map(self.text, texts))

    def text(self, text: str) -> bytes:
        """One chunk, without its framing."""
        if self._tools:
            self._called = True
            return self._delta(Delta(**self._call(text, index=0)))
        before, after = self._around_text
        return before + _encode(text) + after

    @cached_property
    def _around_text(self) -> tuple[bytes, bytes]:
        """What stands before and after the text of a chunk: nothing else differs from chunk to chunk."""
        # No string holds this: quotes in one are escaped.
        before, _, after = self._delta(Delta(content="")).partition(b'"content":""')
        return before + b'"content":', after

    def heartbeat(self) -> bytes:
        """The role chunk, or a chunk that adds nothing."""
        return server_sent(*(self._role() or [self._delta(Delta())]))

    def end(self, answer: Answer) -> bytes:
        last = self._role()
        if self._tools and not self._called:
            last.append(self.text(""))  # the model said nothing: an empty call, as in a whole answer
        finish = ChunkChoice(delta=Delta(), finish_reason=self._finish_reason(answer))
        timings = timings_of(answer.usage, answer.timings)
        last.append(self._chunk((finish,), timings=timings, json_report=answer.report or msgspec.UNSET))
        if self._with_usage:
            last.append(self._chunk((), usage=usage_of(answer.usage)))
        return server_sent(*last, b"[DONE]")

    def failure(self, failure: Failure) -> bytes:
        return server_sent(errors.body(failure), b"[DONE]")

    def _role(self) -> list[bytes]:
        if self._begun:
            return []
        self._begun = True
        return [self._delta(Delta("assistant", ""))]

    def _delta(self, delta: Delta) -> bytes:
        return self._chunk((ChunkChoice(delta=delta),))

    def _chunk(self, choices: tuple[ChunkChoice, ...], **more: Any) -> bytes:
        usage = None if self._with_usage else msgspec.UNSET
        fields = {"choices": choices, "usage": usage, **self.fields, **more}
        return _encode(answer_types.ChatChunk(**fields))

    def _call(self, text: str, index: Literal[0] | msgspec.UnsetType = msgspec.UNSET) -> dict[str, Any]:
        """The call that a text is, as a field of a message or, with its place, of a delta."""
        if self._tools is None:
            return {}
        call = FunctionCall(*self._tools.call(text))
        if self._legacy:
            return {"function_call": call}
        return {"tool_calls": (answer_types.ToolCall(index=index, id=new_id("call_", 24), function=call),)}

    def _finish_reason(self, answer: Answer) -> answer_types.ChatFinish:
        """As OpenAI does: a call that the client itself chose ends in "stop"."""
        free = self._tools is not None and not self._tools.named
        return "tool_calls" if free and answer.finish_reason == "stop" else answer.finish_reason
