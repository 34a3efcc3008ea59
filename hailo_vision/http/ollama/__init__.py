"""Ollama's API, for the many applications that speak it: Home Assistant, Frigate, Open WebUI, n8n, ...

What it has to be follows ollama/ollama, docs/api.md and api/types.go, and what those applications read of it.
"""

from hailo_vision.http.dialect import Dialect, Route
from hailo_vision.http.ollama import answer_types, errors, request_types
from hailo_vision.http.ollama.generating import NDJSON, chat, generate
from hailo_vision.http.ollama.models import change, embed, ps, pull, show, tags, version

_TAG = "ollama"
_NAMED = {"model": "qwen2-vl-2b-instruct"}

DIALECT = Dialect(
    prefix="/api/",
    routes=(
        Route(
            "POST",
            "/api/chat",
            chat,
            "Answer a conversation",
            _TAG,
            answer_types.ChatReply,
            request=request_types.ChatRequest,
            example={**_NAMED, "messages": [{"role": "user", "content": "Hello"}], "stream": False},
            event=answer_types.ChatReply,
            generates=True,
        ),
        Route(
            "POST",
            "/api/generate",
            generate,
            "Answer a question",
            _TAG,
            answer_types.GenerateReply,
            request=request_types.GenerateRequest,
            example={**_NAMED, "prompt": "Hello", "stream": False},
            event=answer_types.GenerateReply,
            generates=True,
        ),
        Route(
            "GET",
            "/api/version",
            version,
            "The version of Ollama whose API this is",
            _TAG,
            answer_types.Version,
        ),
        Route("GET", "/api/tags", tags, "The models", _TAG, answer_types.Tags),
        Route("GET", "/api/ps", ps, "The models that are loaded", _TAG, answer_types.Running),
        Route(
            "POST",
            "/api/show",
            show,
            "What a model is",
            _TAG,
            answer_types.Description,
            request=request_types.NamedModel,
            example=_NAMED,
        ),
        Route(
            "POST",
            "/api/pull",
            pull,
            "Pull a model: only the served one is available",
            _TAG,
            answer_types.Progress,
            request=request_types.NamedModel,
            example=_NAMED,
            event=answer_types.Progress,
        ),
        Route("POST", "/api/embed", embed, paths=("/api/embed", "/api/embeddings")),
        Route("POST", "/api/create", change),
        Route("POST", "/api/copy", change),
        Route("POST", "/api/push", change),
        Route("DELETE", "/api/delete", change),
    ),
    error=answer_types.ErrorResponse,
    error_body=errors.body,
    type_prefix="Ollama",
    stream=NDJSON,
)
