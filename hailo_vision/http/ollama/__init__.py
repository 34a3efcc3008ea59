"""Ollama's API, for the many applications that speak it: Home Assistant, Frigate, Open WebUI, n8n, ...

What it has to be follows ollama/ollama, docs/api.md and api/types.go, and what those applications read of it.
"""

from hailo_vision.http.dialect import Dialect, Route
from hailo_vision.http.ollama import errors
from hailo_vision.http.ollama.chat import chat
from hailo_vision.http.ollama.description import DESCRIPTION
from hailo_vision.http.ollama.generate import generate
from hailo_vision.http.ollama.models import change, embed, ps, pull, show, tags, version

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
    description=DESCRIPTION,
    error_body=errors.body,
)
