"""The table of all routes, and what happens around every handler: errors, request log, metrics."""

import asyncio
import time
from functools import wraps

from sanic import HTTPResponse, Request

from hailo_vision.http import ollama, openai, pages, request_log, status
from hailo_vision.http.dialect import Dialect, Handler, Route
from hailo_vision.http.errors import report
from hailo_vision.http.openapi import document
from hailo_vision.http.request_log import CLIENT_GONE, RequestRecord
from hailo_vision.http.status import health, metrics, readiness
from hailo_vision.http.web import App

# The first whose prefix fits answers requests to unknown paths.
DIALECTS = (ollama.DIALECT, openai.DIALECT)
DESCRIPTIONS = (openai.DIALECT.description, ollama.DIALECT.description, status.DESCRIPTION)


async def openapi(request: Request) -> HTTPResponse:
    """GET /openapi.json"""
    body = document(DESCRIPTIONS, request.app.ctx.keys.required)
    return HTTPResponse(body, content_type="application/json")


# What belongs to no dialect. Whether the service lives is no secret, and monitoring has no key.
_COMMON = (
    Route("GET", "/health", health, "/health", open=True),
    Route("GET", "/v1/health", health, "/health", open=True),
    Route("GET", "/health/ready", readiness, "/health/ready", open=True),
    Route("GET", "/readyz", readiness, "/health/ready", open=True),
    Route("GET", "/metrics", metrics, "/metrics"),
    Route("GET", "/openapi.json", openapi, "/openapi.json"),
    Route("GET", "/", pages.index, "/"),
    Route("GET", "/docs", pages.docs, "/docs"),
    Route("GET", "/assets/<name>", pages.asset, "/assets/{name}"),
)
# What is in this repository is no secret; the page at / asks its user for the key.
_PAGES = frozenset({"/", "/docs", "/assets/{name}", "/openapi.json"})


def register(app: App) -> None:
    """Serve every route."""
    for dialect in DIALECTS:
        for route in dialect.routes:
            _add(app, route, dialect)
    for route in _COMMON:
        _add(app, route, openai.DIALECT)


def _add(app: App, route: Route, dialect: Dialect) -> None:
    methods = [route.method, "HEAD"] if route.method == "GET" else [route.method]
    name = route.path.strip("/").translate(str.maketrans("/.<>:", "_____")) or "root"
    app.add_route(
        _recorded(route.handler, dialect),
        route.path,
        methods=methods,
        name=f"{route.method}_{name}",
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
    return next((one for one in DIALECTS if request.path.startswith(one.prefix)), openai.DIALECT)


def failure_response(request: Request, error: Exception) -> HTTPResponse:
    """A failure in the request's dialect."""
    return dialect_of(request).error_response(report(request, error))


def _recorded(handler: Handler, dialect: Dialect) -> Handler:
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
    # Through their tasks' contexts they hold the request and its body, until the garbage collector comes.
    request.ctx.record = None
    seconds = time.monotonic() - record.started
    request_log.write(record, status, seconds)
    request.app.ctx.metrics.observe(record, status, seconds)
