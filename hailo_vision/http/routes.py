"""The table of all routes, and what happens around every handler: errors, request log, metrics."""

import asyncio
import re
import time
from dataclasses import replace
from functools import wraps

from sanic import HTTPResponse, Request

from hailo_vision.http import ollama, openai, pages, request_log, status
from hailo_vision.http.dialect import Dialect, Handler, Route
from hailo_vision.http.errors import report
from hailo_vision.http.openapi import document
from hailo_vision.http.request_log import CLIENT_GONE, RequestRecord
from hailo_vision.http.web import App


async def openapi(request: Request) -> HTTPResponse:
    """GET /openapi.json"""
    body = document(DIALECTS, request.app.ctx.keys.required)
    return HTTPResponse(body, content_type="application/json")


# What belongs to no dialect. Whether the service lives is no secret, and monitoring has no key.
_COMMON = (
    *status.ROUTES,
    Route("GET", "/openapi.json", openapi),
    Route("GET", "/", pages.index),
    Route("GET", "/docs", pages.docs),
    Route("GET", "/assets/{name}", pages.asset, paths=("/assets/<name>",)),
)
# What is in this repository is no secret; the page at / asks its user for the key.
_PAGES = frozenset({"/", "/docs", "/assets/{name}", "/openapi.json"})
# In the order of the API's description. Requests to unknown paths are answered by the one with the longest
# prefix that fits.
DIALECTS = (openai.DIALECT, ollama.DIALECT, replace(openai.DIALECT, routes=_COMMON))


def register(app: App) -> None:
    """Serve every route."""
    for dialect in DIALECTS:
        for route in dialect.routes:
            methods = ["GET", "HEAD"] if route.method == "GET" else [route.method]
            for path in route.paths or (route.label,):
                app.add_route(
                    _recorded(route.handler),
                    path,
                    methods=methods,
                    name=re.sub(r"\W+", "_", f"{route.method}{path}"),
                    ctx_label=route.label,
                    ctx_open=route.open,
                    ctx_dialect=dialect,
                )


def label(request: Request) -> str:
    """The name of a request's route for logs and metrics."""
    return str(request.route.ctx.label) if request.route else "unknown"


def is_open(request: Request) -> bool:
    """Whether the request only asks for a sign of life: without a key, under any host name."""
    if label(request) == "/":
        return pages.is_ping(request)
    return bool(request.route and request.route.ctx.open)


def is_page(request: Request) -> bool:
    """Whether the request is for a page or what belongs to it."""
    return label(request) in _PAGES


def dialect_of(request: Request) -> Dialect:
    """The dialect in which a request is answered, also where it has no route."""
    if request.route:
        dialect: Dialect = request.route.ctx.dialect
        return dialect
    fitting = [one for one in DIALECTS if request.path.startswith(one.prefix)]
    return max(fitting, key=lambda one: len(one.prefix), default=openai.DIALECT)


def failure_response(request: Request, error: Exception) -> HTTPResponse:
    """A failure in the request's dialect."""
    return dialect_of(request).error_response(report(request, error))


def _recorded(handler: Handler) -> Handler:
    """The handler, after which the request log and the metrics hear of the request, also if it failed."""

    @wraps(handler)
    async def recorded(request: Request, **parameters: str) -> HTTPResponse | None:
        # Sanic leaves off reading after a body of 64 KB or more, and would not see the client leave.
        request.transport.resume_reading()  # type: ignore[attr-defined]
        try:
            response = await handler(request, **parameters)
        except asyncio.CancelledError:
            finish(request, CLIENT_GONE)
            raise
        except Exception as error:
            response = failure_response(request, error)
        # Sanic sends the response first: no client waits for the log and the metrics.
        asyncio.get_running_loop().call_soon(finish, request, response.status if response else 200)
        return response

    return recorded


def finish(request: Request, status: int) -> None:
    """Tell the log and the metrics that a request is over."""
    record: RequestRecord | None = request.ctx.record
    if record is None:
        return  # it was recorded already: Sanic reports a cancelled handler again
    # Tasks and exceptions hold the request, by contexts and frames, until the garbage collector comes. It is
    # late, as it does not see how large a body is.
    request.ctx.record, request.body = None, b""
    seconds = time.monotonic() - record.started
    request_log.write(record, status, seconds)
    request.app.ctx.metrics.observe(record, status, seconds)
