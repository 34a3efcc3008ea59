"""POST /v1/responses: OpenAI's newer API, as far as it needs nothing to be stored."""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.config import ApiConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import decode, explain
from hailo_vision.http.events import Stream, Wire
from hailo_vision.http.openai.reading import json_format_of, options_of, refuse_others, turns_of
from hailo_vision.http.openai.request_types import (
    KNOWN_VALUES,
    GenerationFields,
    Message,
    ResponseFormat,
    SystemMessage,
)
from hailo_vision.http.openai.response_types import ResponsesRequest
from hailo_vision.http.openai.response_writing import ResponseWriter
from hailo_vision.http.openai.tools import ForcedTools, forced, refuse_tools
from hailo_vision.http.web import json_response, patience_of
from hailo_vision.inference.answer import Answer, whole_text
from hailo_vision.inference.request import GenerationRequest, JsonFormat
from hailo_vision.inference.service import Service

_decoder = msgspec.json.Decoder(ResponsesRequest)
_ELSEWHERE = {
    "messages": "A body with 'messages' goes to /v1/chat/completions or, in Ollama's form, to /api/chat.",
    "prompt": "A prompt as text goes to /v1/vision/analyze or, in Ollama's form, to /api/generate.",
}
_SCHEMA = "a schema is 'text.format'; chat's form goes to /v1/chat/completions, Ollama's to /api/chat"
_OF_OTHERS = {
    "response_format": _SCHEMA,
    "format": _SCHEMA,
    "images": "pictures are parts of an input item: input[].content[].image_url",
}
# The model's own work on earlier turns: nothing here can use it.
_SKIPPED = frozenset({"reasoning", "function_call"})


async def responses(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    config = service.config
    body = decode(request.body, _decoder, elsewhere=_ELSEWHERE)
    _refuse_unsupported(body, config.api)
    tools = forced(body.tool_choice, body.tools, "tools", "tool_choice")
    if tools and config.api.json_mode == "refuse":
        refuse_tools("tool_choice")
    wanted = _read(body, tools, config.api, request.ctx.client)
    service.check_model(body.model)
    service.admit(patience_of(request))
    answer = service.answer(wanted)
    request.ctx.record.answers.append(answer)
    writer = ResponseWriter(body, config.model.name, config.generation, tools)
    if body.stream:
        await _stream(request, answer, writer)
        return None
    return json_response(writer.whole(await whole_text(answer), answer))


async def _stream(request: Request, answer: Answer, writer: ResponseWriter) -> None:
    wire = Wire("text/event-stream; charset=utf-8", writer.heartbeat, writer.failure)
    async with Stream(request, wire) as stream, aclosing(answer.texts()) as parts:
        async for texts in parts:
            await stream.send(writer.texts(texts))
        await stream.send(writer.end(answer))


def _read(
    body: ResponsesRequest, tools: ForcedTools | None, config: ApiConfig, client: str
) -> GenerationRequest:
    """Raises:
    RequestError: the body asks for what can't be done here.
    """
    fields = GenerationFields(
        max_completion_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        repetition_penalty=body.repetition_penalty,
        seed=body.seed,
        stop=body.stop,
        keep_alive=body.keep_alive,
    )
    format_ = _format(body, supported=config.json_mode != "refuse")
    messages = dict(_messages(body))
    if body.instructions:
        messages = {"instructions": SystemMessage(body.instructions), **messages}
    return GenerationRequest(
        turns=turns_of(messages),
        where="input",
        json=tools.json if tools else format_,
        client=client,
        **options_of(fields),
    )


def _messages(body: ResponsesRequest) -> Iterator[tuple[str, Message]]:
    """The input's items that are messages, each with its place in the request."""
    if isinstance(body.input, str):
        yield "input", _convert({"role": "user", "content": body.input}, "input")
        return
    for number, item in enumerate(body.input):
        where = f"input[{number}]"
        kind = item.get("type", "message")
        if kind == "message":
            yield where, _convert(item, where)
        elif kind == "function_call_output":
            yield where, _convert({"role": "tool", "content": item.get("output")}, where)
        elif kind not in _SKIPPED:
            raise RequestError(
                Kind.UNSUPPORTED_PARAMETER,
                f"Items of type {str(kind)[:40]!r} can't be read: nothing is stored, and there are no files.",
                where=f"{where}.type",
            )


def _convert(item: dict[str, Any], where: str) -> Message:
    try:
        message: Message = msgspec.convert(item, Message)
        return message
    except msgspec.ValidationError as error:
        raise explain(str(error), KNOWN_VALUES, where) from error


def _format(body: ResponsesRequest, *, supported: bool) -> JsonFormat | None:
    given = body.text.format if body.text else None
    if given is None:
        return None
    try:
        wanted: ResponseFormat = msgspec.convert(given, ResponseFormat)
    except msgspec.ValidationError as error:
        raise explain(str(error), (), "text.format") from error
    return json_format_of(wanted, "text.format", supported=supported)


def _refuse_unsupported(body: ResponsesRequest, config: ApiConfig) -> None:
    if body.model is None and config.model_required:
        raise RequestError(Kind.MISSING_PARAMETER, "Missing required parameter: 'model'.", where="model")
    refuse_others(body, _OF_OTHERS)
    stored = {
        "previous_response_id": body.previous_response_id,
        "conversation": body.conversation,
        "background": body.background,
        "prompt": body.prompt,
    }
    for field, value in stored.items():
        if value:
            raise RequestError(
                Kind.UNSUPPORTED_PARAMETER,
                f"'{field}' needs something stored, and nothing is stored here: send the whole input.",
                where=field,
            )
    if body.top_logprobs:
        raise RequestError(
            Kind.UNSUPPORTED_PARAMETER, "The NPU gives no log probabilities.", where="top_logprobs"
        )
