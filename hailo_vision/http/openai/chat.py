"""POST /v1/chat/completions"""

from contextlib import aclosing

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.config import ApiConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import decode
from hailo_vision.http.events import Stream, Wire
from hailo_vision.http.openai.reading import json_format_of, options_of, refuse_others, turns_of
from hailo_vision.http.openai.request_types import KNOWN_VALUES, ChatRequest
from hailo_vision.http.openai.tools import ForcedTools, forced, refuse_tools
from hailo_vision.http.openai.writing import ChunkWriter, Reply
from hailo_vision.http.web import json_response, patience_of
from hailo_vision.inference.answer import Answer, whole_text
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.inference.service import Service

_decoder = msgspec.json.Decoder(ChatRequest)
_ELSEWHERE = {
    "input": "A body with 'input' goes to /v1/responses.",
    "prompt": "A prompt without messages goes to /v1/vision/analyze or, in Ollama's form, to /api/generate.",
}
_OF_OTHERS = {"format": "a schema is 'response_format'; Ollama's form goes to /api/chat"}


async def chat(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    body = decode(request.body, _decoder, KNOWN_VALUES, _ELSEWHERE)
    tools = _forced_tools(body, service.config.api)
    wanted = _read(body, tools, service.config.api, request.ctx.client)
    service.check_model(body.model)
    service.admit(patience_of(request))
    answer = service.answer(wanted)
    request.ctx.record.answers.append(answer)
    reply = Reply(service.config.model.name, tools, legacy=not body.tools)
    if body.stream:
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        await _stream(request, answer, ChunkWriter(reply, with_usage))
        return None
    return json_response(reply.whole(await whole_text(answer), answer))


def _read(body: ChatRequest, tools: ForcedTools | None, config: ApiConfig, client: str) -> GenerationRequest:
    """Raises:
    RequestError: the body asks for what can't be done here.
    """
    _refuse_unsupported(body, config)
    format_ = json_format_of(body.response_format, supported=config.json_mode != "refuse")
    return GenerationRequest(
        turns=turns_of({f"messages[{n}]": message for n, message in enumerate(body.messages)}, body),
        where="messages",
        json=tools.json if tools else format_,
        client=client,
        **options_of(body),
    )


def _forced_tools(body: ChatRequest, config: ApiConfig) -> ForcedTools | None:
    """The tools of which one has to be called, also in the form that OpenAI gave up (functions)."""
    found = forced(body.tool_choice, body.tools, "tools", "tool_choice") or forced(
        body.function_call, body.functions, "functions", "function_call"
    )
    if found and config.json_mode == "refuse":
        refuse_tools(found.choice_where)
    return found


def _refuse_unsupported(body: ChatRequest, config: ApiConfig) -> None:
    if body.model is None and config.model_required:
        raise RequestError(Kind.MISSING_PARAMETER, "Missing required parameter: 'model'.", where="model")
    refuse_others(body, _OF_OTHERS)
    if body.n is not None and body.n > 1:
        raise RequestError(Kind.INVALID_VALUE, "Only one choice can be generated: n must be 1.", where="n")
    if body.top_logprobs and not body.logprobs:
        raise RequestError(Kind.INVALID_VALUE, "top_logprobs needs logprobs.", where="top_logprobs")
    unsupported = {
        "logprobs": "The NPU gives no log probabilities." if body.logprobs else "",
        "logit_bias": "The NPU takes no logit_bias." if body.logit_bias else "",
        "modalities": "Only text can be generated." if "audio" in (body.modalities or ()) else "",
    }
    for field, reason in unsupported.items():
        if reason:
            raise RequestError(Kind.UNSUPPORTED_PARAMETER, reason, where=field)


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
