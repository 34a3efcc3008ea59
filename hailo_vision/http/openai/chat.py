"""POST /v1/chat/completions"""

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.config import ApiConfig
from hailo_vision.http.body import decode
from hailo_vision.http.fields import check_model, refuse_others
from hailo_vision.http.openai.reading import json_format_of, options_of, refuse_unsupported, turns_of
from hailo_vision.http.openai.request_types import KNOWN_VALUES, ChatRequest
from hailo_vision.http.openai.tools import ForcedTools, check_supported, forced
from hailo_vision.http.openai.writing import ChunkWriter, Reply
from hailo_vision.http.respond import respond
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
    refuse_others(body, _OF_OTHERS)
    refuse_unsupported(body)
    check_model(service, body.model)
    # Also in the form that OpenAI gave up (functions).
    tools = forced(body.tool_choice, body.tools, "tools", "tool_choice") or forced(
        body.function_call, body.functions, "functions", "function_call"
    )
    check_supported(tools, service.config.api)
    wanted = _read(body, tools, service.config.api, request.ctx.client)
    with_usage = bool(body.stream_options and body.stream_options.include_usage)
    reply = Reply(service.config.model.name, tools, legacy=not body.tools)
    return await respond(request, wanted, ChunkWriter(reply, with_usage), stream=bool(body.stream))


def _read(body: ChatRequest, tools: ForcedTools | None, api: ApiConfig, client: str) -> GenerationRequest:
    format_ = json_format_of(body.response_format, api)
    return GenerationRequest(
        turns=turns_of({f"messages[{n}]": message for n, message in enumerate(body.messages)}, body),
        where="messages",
        json=tools.json if tools else format_,
        client=client,
        **options_of(body, "max_completion_tokens", "max_tokens"),
    )
