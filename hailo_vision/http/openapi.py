"""GET /openapi.json: the description of the API, made from the very types that validate and answer."""

from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision import __version__
from hailo_vision.http.openai.answer_types import (
    Analysis,
    AnalyzeResponse,
    AnalyzeSummary,
    ChatChunk,
    ChatCompletion,
    ErrorResponse,
    Model,
    ModelList,
)
from hailo_vision.http.openai.request_types import AnalyzeRequest, ChatRequest
from hailo_vision.http.status import Health, Readiness

_TYPES = (
    ChatRequest,
    AnalyzeRequest,
    ChatCompletion,
    ChatChunk,
    Analysis,
    AnalyzeResponse,
    AnalyzeSummary,
    ErrorResponse,
    Health,
    Readiness,
    Model,
    ModelList,
)
_DESCRIPTION = """\
Qwen2-VL on a Hailo-10H behind OpenAI's API. Any OpenAI client works with base URL `http://HOST:PORT/v1`.
Every route also stands without `/v1`. Errors are OpenAI's error objects with a stable `code`.
"""
_CHAT_EXAMPLE = {
    "model": "qwen2-vl-2b-instruct",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is in this image?"},
                {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,..."}},
            ],
        }
    ],
}
_ANALYZE_EXAMPLE = {"images": ["data:image/jpeg;base64,..."], "prompt": "Is the door open?"}
_BUSY = ("429", "503", "504")


async def openapi(request: Request) -> HTTPResponse:
    """GET /openapi.json"""
    return HTTPResponse(document(request.app.ctx.keys.required), content_type="application/json")


def document(keys_required: bool) -> bytes:
    """The OpenAPI 3.1 document as JSON; keys_required: whether requests need an API key."""
    _, components = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    chat = _operation("Answer a conversation", "chat", _content(ChatCompletion, ChatChunk), "400", *_BUSY)
    chat["requestBody"] = _body(ChatRequest, _CHAT_EXAMPLE)
    analyze = _operation(
        "Ask one question about many images", "vision", _content(AnalyzeResponse, Analysis), "400", *_BUSY
    )
    analyze["requestBody"] = _body(AnalyzeRequest, _ANALYZE_EXAMPLE)
    one = _operation("One model", "models", _content(Model), "404")
    one["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    ready = _operation("Whether a request would be answered now", "health", _content(Readiness), keyed=False)
    ready["responses"]["503"] = {"description": "Not now; `reason` says why", "content": _content(Readiness)}
    text = {"text/plain": {"schema": {"type": "string"}}}
    paths: dict[str, Any] = {
        "/v1/chat/completions": {"post": chat},
        "/v1/vision/analyze": {"post": analyze},
        "/v1/models": {"get": _operation("The models", "models", _content(ModelList))},
        "/v1/models/{id}": {"get": one},
        "/health": {"get": _operation("State of service and NPU", "health", _content(Health), keyed=False)},
        "/health/ready": {"get": ready},
        "/metrics": {"get": _operation("Figures for Prometheus", "health", text)},
    }
    schemes = {"key": {"type": "http", "scheme": "bearer"}}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Hailo Vision", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": schemes if keys_required else {}},
        "security": [{"key": []}] if keys_required else [],
    }
    return msgspec.json.encode(whole)


def _operation(
    summary: str, tag: str, content: dict[str, Any], *errors: str, keyed: bool = True
) -> dict[str, Any]:
    described = {status: _DESCRIPTIONS[status] for status in (*errors, *(("401",) if keyed else ()))}
    responses: dict[str, Any] = {"200": {"description": "The answer", "content": content}}
    for status, description in described.items():
        responses[status] = {"description": description, "content": _content(ErrorResponse)}
    operation: dict[str, Any] = {"summary": summary, "tags": [tag], "responses": responses}
    if "400" in errors:
        for status in ("404", "408", "413"):
            responses[status] = {
                "description": _DESCRIPTIONS[status],
                "content": _content(ErrorResponse),
            }
    return operation if keyed else {**operation, "security": []}


_DESCRIPTIONS = {
    "400": "The request can't be served as it is; `param` is the path of the offending field",
    "401": "An API key is required, or the one given is not valid",
    "404": "There is no such model",
    "408": "The request came too slowly",
    "413": "The request is too large",
    "429": "The queue is full; Retry-After says when to ask again",
    "503": "The model is loading or the NPU has failed; Retry-After says when to ask again",
    "504": "The request took longer than the service allows",
}


def _content(whole: type, event: type | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": _reference(whole)}}
    if event:
        # One event: its data is JSON text, or the word [DONE] at the end.
        data = {"type": "string", "contentSchema": _reference(event)}
        schema = {"type": "object", "properties": {"data": data}, "required": ["data"]}
        content["text/event-stream"] = {"schema": schema}
    return content


def _body(kind: type, example: object) -> dict[str, Any]:
    return {
        "required": True,
        "content": {"application/json": {"schema": _reference(kind), "example": example}},
    }


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
