"""OpenAI's API, and a route for many images that follows its conventions."""

from hailo_vision.http.dialect import Dialect, Route
from hailo_vision.http.openai import answer_types, errors, request_types
from hailo_vision.http.openai.analyze import analyze
from hailo_vision.http.openai.chat import chat
from hailo_vision.http.openai.models import model, models
from hailo_vision.http.openai.responses import responses
from hailo_vision.http.openapi import Description, Operation

_MODEL = "qwen2-vl-2b-instruct"
_IMAGE = "data:image/jpeg;base64,..."
_TEXT = "What is in this image?"
_CHAT_PARTS = [{"type": "text", "text": _TEXT}, {"type": "image_url", "image_url": {"url": _IMAGE}}]
_INPUT_PARTS = [{"type": "input_text", "text": _TEXT}, {"type": "input_image", "image_url": _IMAGE}]

_OPERATIONS = {
    ("post", "/v1/chat/completions"): Operation(
        "Answer a conversation",
        "chat",
        answer_types.ChatCompletion,
        request=request_types.ChatRequest,
        example={"model": _MODEL, "messages": [{"role": "user", "content": _CHAT_PARTS}]},
        event=answer_types.ChatChunk,
        generates=True,
    ),
    ("post", "/v1/responses"): Operation(
        "Answer a conversation, by the newer API",
        "chat",
        answer_types.Response,
        request=request_types.ResponsesRequest,
        example={"model": _MODEL, "input": [{"role": "user", "content": _INPUT_PARTS}]},
        generates=True,
    ),
    ("post", "/v1/vision/analyze"): Operation(
        "Ask one question about many images",
        "vision",
        answer_types.AnalyzeResponse,
        request=request_types.AnalyzeRequest,
        example={"images": [_IMAGE], "prompt": "Is the door open?"},
        event=answer_types.Analysis,
        generates=True,
    ),
    ("get", "/v1/models"): Operation("The models", "models", answer_types.ModelList),
    ("get", "/v1/models/{id}"): Operation("One model", "models", answer_types.Model),
}
# Every route stands with and without /v1: clients' base URLs come both ways.
DIALECT = Dialect(
    prefix="/",
    routes=tuple(
        route
        for prefix in ("/v1", "")
        for route in (
            Route("GET", f"{prefix}/models", models, "/v1/models"),
            Route("GET", f"{prefix}/models/<name:path>", model, "/v1/models/{id}"),
            Route("POST", f"{prefix}/chat/completions", chat, "/v1/chat/completions"),
            Route("POST", f"{prefix}/responses", responses, "/v1/responses"),
            Route("POST", f"{prefix}/vision/analyze", analyze, "/v1/vision/analyze"),
        )
    ),
    description=Description("", answer_types.ErrorResponse, _OPERATIONS),
    error_body=errors.body,
    error_headers=errors.headers,
)
