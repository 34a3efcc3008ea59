"""The routes, and the account that is kept of every request."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from sanic import HTTPResponse, Request

from hailo_vision.errors import ApiError
from hailo_vision.http import pages
from hailo_vision.http.openai.analyze import analyze
from hailo_vision.http.openai.chat import chat
from hailo_vision.http.request_log import CLIENT_GONE, Account
from hailo_vision.http.status import health, metrics, model, models, openapi, readiness
from hailo_vision.http.web import App

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]

# Routes that ask for no key: whether a service lives is no secret, and what watches it has none.
OPEN = frozenset({"/health", "/health/ready"})
# Routes that browsers show by themselves, and can be asked for a password.
PAGES = frozenset({"/", "/docs", "/assets/{name}", "/openapi.json"})
_UNKNOWN = "unknown"


def register(app: App) -> None:
    """Every route stands with and without /v1: clients' base URLs come both ways."""
    for prefix in ("/v1", ""):
        _add(app, "GET", f"{prefix}/health", health, "/health")
        _add(app, "GET", f"{prefix}/models", models, "/v1/models")
        _add(app, "GET", f"{prefix}/models/<name:path>", model, "/v1/models/{id}")
        _add(app, "POST", f"{prefix}/chat/completions", chat, "/v1/chat/completions")
        _add(app, "POST", f"{prefix}/vision/analyze", analyze, "/v1/vision/analyze")
    _add(app, "GET", "/health/ready", readiness, "/health/ready")
    _add(app, "GET", "/readyz", readiness, "/health/ready")
    _add(app, "GET", "/metrics", metrics, "/metrics")
    _add(app, "GET", "/openapi.json", openapi, "/openapi.json")
    _add(app, "GET", "/", pages.index, "/")
    _add(app, "GET", "/docs", pages.docs, "/docs")
    _add(app, "GET", "/assets/<name>", pages.asset, "/assets/{name}")


def _add(app: App, method: str, path: str, handler: Handler, name: str) -> None:
    """Serve a path; name is the one that logs and metrics know it by."""
    methods = [method, "HEAD"] if method == "GET" else [method]
    route_name = path.strip("/").translate(str.maketrans("/.<>:", "_____")) or "root"
    app.add_route(_accounted(handler), path, methods=methods, name=route_name, ctx_label=name)


def label(request: Request) -> str:
    """The name of a request's route for logs and metrics."""
    return str(request.route.ctx.label) if request.route else _UNKNOWN


def _accounted(handler: Handler) -> Handler:
    """The handler with its requests' ends told; failures are told where they become responses."""

    @wraps(handler)
    async def accounted(request: Request, **parameters: str) -> HTTPResponse | None:
        # Sanic leaves off reading after a body of 64 KB or more, and would not see the client leave.
        request.transport.resume_reading()  # type: ignore[attr-defined]
        try:
            response = await handler(request, **parameters)
        except asyncio.CancelledError:
            close(request, CLIENT_GONE, None)
            raise
        except ApiError as error:
            close(request, error.status, error.code)
            raise
        # Sanic sends the response first: no client waits for the log and the metrics.
        status = response.status if response else 200
        asyncio.get_running_loop().call_soon(close, request, status, request.ctx.account.code)
        return response

    return accounted


def close(request: Request, status: int, code: str | None) -> None:
    """Tell the log and the metrics that a request is over; only the first time counts."""
    account: Account = request.ctx.account
    account.status, account.code = status, code
    if account.close():
        request.app.ctx.metrics.observe(account)
        # Through their tasks' contexts they hold the request and its body, until the garbage collector comes.
        account.generations.clear()
