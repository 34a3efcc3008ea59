"""Answers as OpenAI's completions, whole and in chunks."""

import time
import uuid
from functools import partial
from typing import Any

import msgspec

from hailo_vision import __version__
from hailo_vision.http.errors import Failure
from hailo_vision.http.events import SERVER_SENT, server_sent
from hailo_vision.http.openai import answer_types, errors
from hailo_vision.http.openai.answer_types import Delta, FunctionCall, timings_of, usage_of
from hailo_vision.http.openai.tools import ForcedTools, call_id
from hailo_vision.inference.answer import Answer

_encode = msgspec.json.encode
_FINGERPRINT = f"hailo-vision-{__version__}"


class Reply:
    """One completion's constant parts, and the text of its answer in OpenAI's forms."""

    def __init__(self, model: str, tools: ForcedTools | None, *, legacy: bool) -> None:
        """legacy: a call is written in the form that OpenAI gave up (function_call)."""
        self.fields: dict[str, Any] = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": _FINGERPRINT,
        }
        self._tools = tools
        self._legacy = legacy

    def whole(self, text: str, answer: Answer) -> answer_types.ChatCompletion:
        return answer_types.ChatCompletion(
            choices=(
                answer_types.Choice(message=self._message(text), finish_reason=self.finish_reason(answer)),
            ),
            usage=usage_of(answer.usage),
            timings=timings_of(answer.usage, answer.timings),
            json_report=answer.report or msgspec.UNSET,
            **self.fields,
        )

    def _message(self, text: str) -> answer_types.AssistantReply:
        if self._tools is None:
            return answer_types.AssistantReply(content=text)
        call = FunctionCall(*self._tools.call(text))
        if self._legacy:
            return answer_types.AssistantReply(content=None, function_call=call)
        return answer_types.AssistantReply(
            content=None, tool_calls=(answer_types.ToolCall(id=call_id(), function=call),)
        )

    def delta(self, text: str) -> Delta | None:
        """A call as a part of a stream; None if the text is no call."""
        if self._tools is None:
            return None
        call = FunctionCall(*self._tools.call(text))
        if self._legacy:
            return Delta(function_call=call)
        return Delta(tool_calls=(answer_types.ToolCallDelta(id=call_id(), function=call),))

    def finish_reason(self, answer: Answer) -> answer_types.ChatFinish:
        """As OpenAI does: a call that the client itself chose ends in "stop"."""
        free = self._tools is not None and not self._tools.named
        return "tool_calls" if free and answer.finish_reason == "stop" else answer.finish_reason


class ChunkWriter:
    """One completion, whole or in chunks with the same id, time and model; the first chunk has the role."""

    content_type = SERVER_SENT

    def __init__(self, reply: Reply, with_usage: bool) -> None:
        """with_usage: the client asked for a last chunk with the counts of tokens."""
        self._reply = reply
        self._with_usage = with_usage
        self._make = partial(answer_types.ChatChunk, **reply.fields)
        self._no_usage = None if with_usage else msgspec.UNSET
        self._begun = self._called = False
        # Only the text differs from chunk to chunk. No string holds this: quotes in one are escaped.
        before, _, self._after = self._delta(Delta(content="")).partition(b'"content":""')
        self._before = before + b'"content":'

    def whole(self, text: str, answer: Answer) -> answer_types.ChatCompletion:
        return self._reply.whole(text, answer)

    def texts(self, texts: list[str]) -> bytes:
        return server_sent(*self._role(), *map(self.text, texts))

    def text(self, text: str) -> bytes:
        """One chunk, without its framing."""
        if call := self._reply.delta(text):
            self._called = True
            return self._delta(call)
        return b"%b%b%b" % (self._before, _encode(text), self._after)

    def heartbeat(self) -> bytes:
        """The role chunk, or a chunk that adds nothing."""
        return server_sent(*(self._role() or [self._delta(Delta())]))

    def end(self, answer: Answer) -> bytes:
        last = self._role()
        if not self._called and (call := self._reply.delta("")):
            last.append(self._delta(call))  # the model said nothing: an empty call, as in a whole answer
        last.append(self._finish(answer))
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
        return _encode(self._make(choices=(answer_types.ChunkChoice(delta=delta),), usage=self._no_usage))

    def _finish(self, answer: Answer) -> bytes:
        more: dict[str, Any] = {
            "choices": (
                answer_types.ChunkChoice(delta=Delta(), finish_reason=self._reply.finish_reason(answer)),
            ),
            "usage": self._no_usage,
            "timings": timings_of(answer.usage, answer.timings),
            "json_report": answer.report or msgspec.UNSET,
        }
        return _encode(self._make(**more))
