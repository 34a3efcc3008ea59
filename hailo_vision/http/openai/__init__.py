"""OpenAI's API, and a route for many images that follows its conventions."""

from dataclasses import replace

from hailo_vision.http.dialect import Dialect, Route
from hailo_vision.http.openai import answer_types, errors, request_types
from hailo_vision.http.openai.analyze import analyze
from hailo_vision.http.openai.chat import chat
from hailo_vision.http.openai.models import model, models
from hailo_vision.http.openai.responses import responses

_MODEL = "qwen2-vl-2b-instruct"
_IMAGE = "data:image/jpeg;base64,..."
_TEXT = "What is in this image?"
_CHAT_PARTS = [{"type": "text", "text": _TEXT}, {"type": "image_url", "image_url": {"url": _IMAGE}}]
_INPUT_PARTS = [{"type": "input_text", "text": _TEXT}, {"type": "input_image", "image_url": _IMAGE}]
_ROUTES = (
    Route(
        "POST",
        "/v1/chat/completions",
        chat,
        "Answer a conversation",
        "chat",
        answer_types.ChatCompletion,
        request=request_types.ChatRequest,
        example={"model": _MODEL, "messages": [{"role": "user", "content": _CHAT_PARTS}]},
        event=answer_types.ChatChunk,
        generates=True,
    ),
    Route(
        "POST",
        "/v1/responses",
        responses,
        "Answer a conversation, by the newer API",
        "chat",
        answer_types.Response,
        request=request_types.ResponsesRequest,
        example={"model": _MODEL, "input": [{"role": "user", "content": _INPUT_PARTS}]},
        generates=True,
    ),
    Route(
        "POST",
        "/v1/vision/analyze",
        analyze,
        "Ask one question about many images",
        "vision",
        answer_types.AnalyzeResponse,
        request=request_types.AnalyzeRequest,
        example={"images": [_IMAGE], "prompt": "Is the door open?"},
        event=answer_types.Analysis,
        generates=True,
    ),
    Route("GET", "/v1/models", models, "The models", "models", answer_types.ModelList),
    Route(
        "GET",
        "/v1/models/{id}",
        model,
        "One model",
        "models",
        answer_types.Model,
        paths=("/v1/models/<name:path>",),
    ),
)


def _paths(route: Route) -> tuple[str, ...]:
    """With and without /v1: clients' base URLs come both ways."""
    paths = route.paths or (route.label,)
    return (*paths, *(path.removeprefix("/v1") for path in paths))


DIALECT = Dialect(
    prefix="/",
    routes=tuple(replace(route, paths=_paths(route)) for route in _ROUTES),
    error=answer_types.ErrorResponse,
    error_body=errors.body,
    error_headers=errors.headers,
)
