"""Cross-origin requests: pages of the allowed origins may use the API from a browser."""

from collections.abc import Collection
from functools import partial

from sanic import HTTPResponse, Request
from sanic.response import BaseHTTPResponse

from hailo_vision.http.origin import is_named
from hailo_vision.http.web import App

_EXPOSED = "x-request-id, retry-after"
_CACHE_SECONDS = "600"


def register(app: App, origins: Collection[str]) -> None:
    """Answer preflight requests, which carry no key, and mark the responses to allowed origins."""
    app.register_middleware(partial(_preflight, origins), "request")
    app.register_middleware(partial(_mark, origins), "response")


async def _preflight(origins: Collection[str], request: Request) -> HTTPResponse | None:
    headers = request.headers
    asks = request.method == "OPTIONS" and "access-control-request-method" in headers
    if not asks or not _allowed(origins, request):
        return None
    return HTTPResponse(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, POST",
            "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "*"),
            "Access-Control-Max-Age": _CACHE_SECONDS,
        },
    )


async def _mark(origins: Collection[str], request: Request, response: BaseHTTPResponse) -> None:
    response.headers["Vary"] = "Origin"
    if _allowed(origins, request):
        response.headers["Access-Control-Allow-Origin"] = request.headers["origin"]
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED


def _allowed(origins: Collection[str], request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is not None and is_named(origin, origins)
