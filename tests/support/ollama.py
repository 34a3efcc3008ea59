"""Asking a service as Ollama's clients do."""

import base64
import json
import re
from datetime import datetime
from typing import Any

import httpx

from support.server import MODEL, Server


def picture(octets: bytes) -> str:
    """As it stands in `images`: bare base64."""
    return base64.b64encode(octets).decode()


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    """The lines of a finished stream."""
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.iter_lines()]


def chat(server: Server, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A whole answer of /api/chat, which must succeed; greedy unless the fields say otherwise."""
    return _whole(server, "/api/chat", {"messages": messages, **fields})


def generate(server: Server, **fields: Any) -> dict[str, Any]:
    """The same of /api/generate."""
    return _whole(server, "/api/generate", fields)


def _whole(server: Server, path: str, fields: dict[str, Any]) -> dict[str, Any]:
    body = {"model": MODEL, "stream": False, **fields}
    body["options"] = {"temperature": 0, **body.get("options", {})}
    response = server.http.post(path, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def last_prompt(server: Server) -> dict[str, Any]:
    """What the emulated NPU was given last."""
    return [entry for entry in server.journal() if entry["event"] == "generate"][-1]


def moment(text: str) -> datetime:
    """An RFC 3339 time; its zone must be there."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text), text
    return datetime.fromisoformat(text)


def error_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    error: str = response.json()["error"]
    assert isinstance(error, str)
    assert 0 < len(error) < 700
    return error
