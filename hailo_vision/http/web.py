"""What the handlers share: the application's type, and JSON as a response."""

from typing import Any

import msgspec
from sanic import HTTPResponse, Sanic

App = Sanic[Any, Any]


def json_response(value: object, status: int = 200) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(value), status, content_type="application/json")
