"""What the handlers share: the application's type, identities, and JSON as a response."""

import random
from typing import Any

import msgspec
from sanic import HTTPResponse, Sanic

App = Sanic[Any, Any]


def new_id(prefix: str = "", digits: int = 32) -> str:
    """A random identity in hexadecimal digits; no secret, so it need not come from the kernel."""
    return f"{prefix}{random.getrandbits(4 * digits):0{digits}x}"


def json_response(value: object, status: int = 200) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(value), status, content_type="application/json")
