"""Ollama's API, for the many applications that speak it: Home Assistant, Frigate, Open WebUI, n8n, ...

What it has to be follows ollama/ollama, docs/api.md and api/types.go, and what those applications read of it.
"""

from hailo_vision.http.dialect import Dialect, Route
from hailo_vision.http.ollama import answer_types, errors, request_types
from hailo_vision.http.ollama.generating import chat, generate
from hailo_vision.http.ollama.models import change, embed, ps, pull, show, tags, version
from hailo_vision.http.openapi import Description, Operation

_TAG = "ollama"
_NAMED = {"model": "qwen2-vl-2b-instruct"}

_OPERATIONS = {
    ("post", "/api/chat"): Operation(
        "Answer a conversation",
        _TAG,
        answer_types.ChatReply,
        request=request_types.ChatRequest,
        example={**_NAMED, "messages": [{"role": "user", "content": "Hello"}], "stream": False},
        event=answer_types.ChatReply,
        generates=True,
    ),
    ("post", "/api/generate"): Operation(
        "Answer a question",
        _TAG,
        answer_types.GenerateReply,
        request=request_types.GenerateRequest,
        example={**_NAMED, "prompt": "Hello", "stream": False},
        event=answer_types.GenerateReply,
        generates=True,
    ),
    ("get", "/api/version"): Operation("The version of Ollama whose API this is", _TAG, answer_types.Version),
    ("get", "/api/tags"): Operation("The models", _TAG, answer_types.Tags),
    ("get", "/api/ps"): Operation("The models that are loaded", _TAG, answer_types.Running),
    ("post", "/api/show"): Operation(
        "What a model is", _TAG, answer_types.Description, request_types.NamedModel, _NAMED
    ),
    ("post", "/api/pull"): Operation(
        "Pull a model: only the served one is available",
        _TAG,
        answer_types.Progress,
        request_types.NamedModel,
        _NAMED,
        event=answer_types.Progress,
    ),
}
DIALECT = Dialect(
    prefix="/api/",
    routes=(
        Route("POST", "/api/chat", chat, "/api/chat"),
        Route("POST", "/api/generate", generate, "/api/generate"),
        Route("GET", "/api/version", version, "/api/version"),
        Route("GET", "/api/tags", tags, "/api/tags"),
        Route("GET", "/api/ps", ps, "/api/ps"),
        Route("POST", "/api/show", show, "/api/show"),
        Route("POST", "/api/pull", pull, "/api/pull"),
        Route("POST", "/api/embed", embed, "/api/embed"),
        Route("POST", "/api/embeddings", embed, "/api/embed"),
        Route("POST", "/api/create", change, "/api/create"),
        Route("POST", "/api/copy", change, "/api/copy"),
        Route("POST", "/api/push", change, "/api/push"),
        Route("DELETE", "/api/delete", change, "/api/delete"),
    ),
    description=Description("Ollama", answer_types.ErrorResponse, _OPERATIONS, stream="application/x-ndjson"),
    error_body=errors.body,
)
