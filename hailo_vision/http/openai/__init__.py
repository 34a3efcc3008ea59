"""OpenAI's API, and a route for many images that follows its conventions."""

from hailo_vision.http.dialect import Dialect, Route
from hailo_vision.http.openai import errors
from hailo_vision.http.openai.analyze import analyze
from hailo_vision.http.openai.chat import chat
from hailo_vision.http.openai.description import DESCRIPTION
from hailo_vision.http.openai.models import model, models
from hailo_vision.http.openai.responses import responses

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
    description=DESCRIPTION,
    error_body=errors.body,
    error_headers=errors.headers,
)
