"""What the handlers share: the application's type, JSON out, and a client's patience."""

import math
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic

App = Sanic[Any, Any]


def json_response(value: object, status: int = 200) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(value), status, content_type="application/json")


def patience_of(request: Request) -> float:
    """Seconds that the client waits for an answer, as OpenAI's SDKs tell; else without end."""
    try:
        seconds = float(request.headers.get("x-stainless-read-timeout", "inf"))
    except ValueError:
        return math.inf
    return seconds if seconds > 0 else math.inf
