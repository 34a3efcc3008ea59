"""What the handlers share: the application's type, who asks, and JSON out."""

from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic

App = Sanic[Any, Any]


def json_response(value: object, status: int = 200) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(value), status, content_type="application/json")


def client_of(request: Request) -> str:
    """The identity under which a request's context may be reused."""
    client: str = request.ctx.client
    return client
