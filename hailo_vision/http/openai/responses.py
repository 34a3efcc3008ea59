"""POST /v1/responses: OpenAI's newer API, as far as it needs nothing to be stored."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.config import Config
from hailo_vision.http.body import convert, decode, invalid, unsupported
from hailo_vision.http.errors import Failure
from hailo_vision.http.events import SERVER_SENT
from hailo_vision.http.fields import check_model, refuse_others
from hailo_vision.http.openai import answer_types
from hailo_vision.http.openai.answer_types import FunctionCallItem, OutputText, Response, Status
from hailo_vision.http.openai.reading import json_format_of, options_of, turns_of
from hailo_vision.http.openai.request_types import (
    KNOWN_VALUES,
    FunctionCallOutput,
    Message,
    ResponseFormat,
    ResponsesRequest,
)
from hailo_vision.http.openai.tools import ForcedTools, forced
from hailo_vision.http.respond import respond
from hailo_vision.http.web import new_id
from hailo_vision.inference.answer import Answer
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.inference.service import Service

_decoder = msgspec.json.Decoder(ResponsesRequest)
_ELSEWHERE = {
    "messages": "A body with 'messages' goes to /v1/chat/completions or, in Ollama's form, to /api/chat.",
    "prompt": "A prompt as text goes to /v1/vision/analyze or, in Ollama's form, to /api/generate.",
}
# Fields that each answer repeats, a stream several times; those of the prompt fit the context.
_REPEATED = ("text", "tools", "tool_choice", "metadata")
_LONGEST_REPEATED = 1 << 20  # bytes
# What the model did in earlier turns besides its answer: not used here.
_SKIPPED = ("reasoning", "function_call")


async def responses(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    api = service.config.api
    body = await decode(request.body, _decoder, elsewhere=_ELSEWHERE)
    _refuse_unsupported(body)
    check_model(service, body.model)
    tools = forced(body.tool_choice, body.tools, api)
    given = convert(body.text and body.text.format, ResponseFormat | None, "text.format", KNOWN_VALUES)
    format_ = json_format_of(given, api, "text.format")
    messages = dict(_messages(body))
    if not messages:
        raise invalid("input", "expected a message among its items")
    if body.instructions:
        told = convert({"role": "system", "content": body.instructions}, Message, "instructions")
        messages = {"instructions": told, **messages}
    wanted = GenerationRequest(
        turns=turns_of(messages),
        where="input",
        json=tools.json if tools else format_,
        client=request.ctx.client,
        **options_of(body, "max_output_tokens"),
    )
    writer = ResponseWriter(body, service.config, tools)
    return await respond(request, wanted, writer, stream=bool(body.stream))


def _messages(body: ResponsesRequest) -> Iterator[tuple[str, Message | FunctionCallOutput]]:
    """The input's items that are messages, each with its place in the request."""
    if isinstance(body.input, str):
        yield "input", convert({"role": "user", "content": body.input}, Message, "input", KNOWN_VALUES)
        return
    for number, item in enumerate(body.input):
        where = f"input[{number}]"
        kind = item.get("type") or "message"
        if kind == "message":
            yield where, convert(item, Message, where, KNOWN_VALUES)
        elif kind == "function_call_output":
            yield where, convert(item, FunctionCallOutput, where, KNOWN_VALUES)
        elif kind not in _SKIPPED:
            raise unsupported(
                f"{where}.type",
                f"Items of type {str(kind)[:40]!r} can't be read: nothing is stored, and there are no files.",
            )


def _refuse_unsupported(body: ResponsesRequest) -> None:
    refuse_others(body)
    for field in _REPEATED:
        if (size := len(msgspec.json.encode(getattr(body, field)))) > _LONGEST_REPEATED:
            reason = f"expected at most {_LONGEST_REPEATED} bytes, as the answer repeats it; got {size}"
            raise invalid(field, reason)
    for field in ("previous_response_id", "conversation", "background", "prompt"):
        if getattr(body, field):
            raise unsupported(
                field, f"'{field}' needs something stored, and nothing is stored here: send the whole input."
            )
    if body.top_logprobs:
        raise unsupported("top_logprobs", "The NPU gives no log probabilities.")


class ResponseWriter:
    """One response: its constant parts, its output, and the events that tell it.

    Which events and fields clients can't do without was measured with OpenAI's SDKs (Python, JavaScript), the
    AI SDK and openai-agents: each event has its name and number, an item is added before its text, and the
    end has the whole response.
    """

    content_type = SERVER_SENT

    def __init__(self, body: ResponsesRequest, config: Config, tools: ForcedTools | None) -> None:
        defaults = config.generation
        self._tools = tools
        self._text = ""
        self._begun = False
        self._number = 0
        self._message_id = new_id("msg_")
        self._fields: dict[str, Any] = {
            "id": new_id("resp_"),
            "created_at": int(time.time()),
            "instructions": body.instructions,
            "max_output_tokens": int(limit) if (limit := body.max_output_tokens or 0) > 0 else None,
            "model": config.model.name,
            "temperature": defaults.temperature if body.temperature is None else body.temperature,
            "text": {"format": (body.text and body.text.format) or {"type": "text"}},
            "tool_choice": body.tool_choice or "auto",
            "tools": body.tools or [],
            "top_p": defaults.top_p if body.top_p is None else body.top_p,
            "metadata": body.metadata or {},
        }

    def whole(self, text: str, answer: Answer) -> Response:
        self._text = text
        cut = answer.finish_reason == "length"
        status: Status = "incomplete" if cut else "completed"
        used = answer.usage
        return Response(
            status=status,
            incomplete_details=answer_types.IncompleteDetails() if cut else None,
            output=(self._item(status),),
            usage=answer_types.ResponseUsage(
                used.prompt_tokens,
                answer_types.InputTokensDetails(used.cached_tokens),
                used.completion_tokens,
                answer_types.OutputTokensDetails(),
                used.prompt_tokens + used.completion_tokens,
            ),
            json_report=answer.report or msgspec.UNSET,
            **self._fields,
        )

    def texts(self, texts: list[str]) -> bytes:
        self._text += "".join(texts)
        if self._tools:
            return b""  # which function is called is known when all of the text is there
        return self._begin() + b"".join(self._delta(text) for text in texts)

    def heartbeat(self) -> bytes:
        """The first events, or one that adds nothing."""
        if not self._begun:
            return self._begin()
        if self._tools:
            return self._event("in_progress", response=Response(status="in_progress", **self._fields))
        return self._delta("")

    def end(self, answer: Answer) -> bytes:
        begun = self._begin()
        whole = self.whole(self._text, answer)
        (item,) = whole.output
        if isinstance(item, FunctionCallItem):
            told = self._call(item)
        else:
            told = self._part("output_text.done", text=self._text, logprobs=())
            told += self._part("content_part.done", part=OutputText(text=self._text))
        done = self._event("output_item.done", output_index=0, item=item)
        return begun + told + done + self._event(whole.status, response=whole)

    def failure(self, failure: Failure) -> bytes:
        code = "server_error" if failure.status >= 500 else "invalid_prompt"
        error = answer_types.ResponseError(code, failure.message)
        return self._event("failed", response=Response(status="failed", error=error, **self._fields))

    def _begin(self) -> bytes:
        """The events before the first text, once."""
        if self._begun:
            return b""
        self._begun = True
        response = Response(status="in_progress", **self._fields)
        first = self._event("created", response=response) + self._event("in_progress", response=response)
        if self._tools:
            return first
        item = answer_types.OutputMessage(id=self._message_id, status="in_progress")
        added = self._event("output_item.added", output_index=0, item=item)
        return first + added + self._part("content_part.added", part=OutputText())

    def _call(self, item: FunctionCallItem) -> bytes:
        begun = msgspec.structs.replace(item, arguments="", status="in_progress")
        place = {"item_id": item.id, "output_index": 0}
        return (
            self._event("output_item.added", output_index=0, item=begun)
            + self._event("function_call_arguments.delta", **place, delta=item.arguments)
            + self._event("function_call_arguments.done", **place, name=item.name, arguments=item.arguments)
        )

    def _delta(self, text: str) -> bytes:
        return self._part("output_text.delta", delta=text, logprobs=())

    def _part(self, name: str, **fields: object) -> bytes:
        return self._event(name, item_id=self._message_id, output_index=0, content_index=0, **fields)

    def _event(self, event: str, /, **fields: object) -> bytes:
        name = f"response.{event}"
        data = msgspec.json.encode({"type": name, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (name.encode(), data)

    def _item(self, status: Status) -> answer_types.OutputItem:
        if self._tools is None:
            return answer_types.OutputMessage(
                id=self._message_id, status=status, content=(OutputText(text=self._text),)
            )
        name, arguments = self._tools.call(self._text)
        return FunctionCallItem(
            id=new_id("fc_"), call_id=new_id("call_", 24), name=name, arguments=arguments, status=status
        )
