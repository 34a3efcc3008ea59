"""POST /v1/responses: OpenAI's newer API, as far as it needs nothing to be stored."""

from collections.abc import Iterator
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.config import ApiConfig
from hailo_vision.http.body import decode, explain, invalid, unsupported
from hailo_vision.http.fields import check_model, refuse_others
from hailo_vision.http.openai.reading import json_format_of, options_of, turns_of
from hailo_vision.http.openai.request_types import KNOWN_VALUES, Message, ResponseFormat, SystemMessage
from hailo_vision.http.openai.response_types import ResponsesRequest
from hailo_vision.http.openai.response_writing import ResponseWriter
from hailo_vision.http.openai.tools import ForcedTools, check_supported, forced
from hailo_vision.http.respond import respond
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.inference.service import Service

_decoder = msgspec.json.Decoder(ResponsesRequest)
_ELSEWHERE = {
    "messages": "A body with 'messages' goes to /v1/chat/completions or, in Ollama's form, to /api/chat.",
    "prompt": "A prompt as text goes to /v1/vision/analyze or, in Ollama's form, to /api/generate.",
}
_SCHEMA = "a schema is 'text.format'; chat's form goes to /v1/chat/completions, Ollama's to /api/chat"
_IMAGES = "images are parts of an input item: input[].content[].image_url"
_OF_OTHERS = {
    "response_format": _SCHEMA,
    "format": _SCHEMA,
    **dict.fromkeys(("images", "image", "image_data", "image_url"), _IMAGES),
    "messages": "messages are its 'input'; chat's form goes to /v1/chat/completions",
}
# What the model did in earlier turns besides its answer: not used here.
_SKIPPED = frozenset({"reasoning", "function_call"})


async def responses(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    body = decode(request.body, _decoder, elsewhere=_ELSEWHERE)
    _refuse_unsupported(body)
    check_model(service, body.model)
    tools = forced(body.tool_choice, body.tools, "tools", "tool_choice")
    check_supported(tools, service.config.api)
    wanted = _read(body, tools, service.config.api, request.ctx.client)
    writer = ResponseWriter(body, service.config.model.name, service.config.generation, tools)
    return await respond(request, wanted, writer, stream=bool(body.stream))


def _read(
    body: ResponsesRequest, tools: ForcedTools | None, api: ApiConfig, client: str
) -> GenerationRequest:
    format_ = json_format_of(_format(body), api, "text.format")
    messages = dict(_messages(body))
    if not messages:
        raise invalid("input", "expected a message among its items")
    if body.instructions:
        messages = {"instructions": SystemMessage(body.instructions), **messages}
    return GenerationRequest(
        turns=turns_of(messages),
        where="input",
        json=tools.json if tools else format_,
        client=client,
        **options_of(body, "max_output_tokens"),
    )


def _messages(body: ResponsesRequest) -> Iterator[tuple[str, Message]]:
    """The input's items that are messages, each with its place in the request."""
    if isinstance(body.input, str):
        yield "input", _convert({"role": "user", "content": body.input}, "input")
        return
    for number, item in enumerate(body.input):
        where = f"input[{number}]"
        kind = item.get("type") or "message"
        if kind == "message":
            yield where, _convert(item, where)
        elif kind == "function_call_output":
            output = item.get("output")
            if not isinstance(output, str | list | None):
                raise invalid(f"{where}.output", "expected text or a list of parts")
            yield where, _convert({"role": "tool", "content": output}, where)
        elif kind not in _SKIPPED:
            raise unsupported(
                f"{where}.type",
                f"Items of type {str(kind)[:40]!r} can't be read: nothing is stored, and there are no files.",
            )


def _convert(item: dict[str, Any], where: str) -> Message:
    try:
        message: Message = msgspec.convert(item, Message)
        return message
    except msgspec.ValidationError as error:
        raise explain(str(error), KNOWN_VALUES, where) from error


def _format(body: ResponsesRequest) -> ResponseFormat | None:
    given = body.text.format if body.text else None
    try:
        wanted: ResponseFormat | None = msgspec.convert(given, ResponseFormat | None)
        return wanted
    except msgspec.ValidationError as error:
        raise explain(str(error), (), "text.format") from error


def _refuse_unsupported(body: ResponsesRequest) -> None:
    refuse_others(body, _OF_OTHERS)
    for field in ("previous_response_id", "conversation", "background", "prompt"):
        if getattr(body, field):
            raise unsupported(
                field, f"'{field}' needs something stored, and nothing is stored here: send the whole input."
            )
    if body.top_logprobs:
        raise unsupported("top_logprobs", "The NPU gives no log probabilities.")
