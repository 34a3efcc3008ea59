"""The routes, and the handlers of those that only tell something."""

import asyncio
import os
import time
import urllib.parse
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from sanic import HTTPResponse, Request

from hailo_vision import __version__
from hailo_vision.account import CLIENT_GONE, Account
from hailo_vision.analysis import analyze
from hailo_vision.chat import chat
from hailo_vision.engine import State
from hailo_vision.errors import ApiError
from hailo_vision.service import Service
from hailo_vision.web import App, json_response

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]

# Routes that ask for no key: whether a service lives is no secret, and what watches it has none.
OPEN = frozenset({"/health", "/health/ready"})
PAGES = frozenset({"/", "/docs"})
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
        close(request, response.status if response else 200, request.ctx.account.code)
        return response

    return accounted


def close(request: Request, status: int, code: str | None) -> None:
    """Tell the log and the metrics that a request is over; only the first time counts."""
    account: Account = request.ctx.account
    account.status, account.code = status, code
    if account.close():
        request.app.ctx.metrics.observe(account)


async def models(request: Request) -> HTTPResponse:
    """GET /v1/models"""
    return json_response({"object": "list", "data": [_model_object(request.app)]})


async def model(request: Request, name: str) -> HTTPResponse:
    """GET /v1/models/{id}"""
    name = name.strip("/")
    if not name:
        return await models(request)
    service: Service = request.app.ctx.service
    service.check_model(urllib.parse.unquote(name))
    return json_response(_model_object(request.app))


async def health(request: Request) -> HTTPResponse:
    """GET /health: 200 as long as the front process lives; `state` and `problem` tell the rest."""
    app = request.app
    service: Service = app.ctx.service
    engine, npu = service.engine, service.config.npu
    info = engine.model
    return json_response(
        {
            "status": "ok",
            "live": True,
            "state": engine.state,
            "model": service.config.model.name,
            "model_loaded": engine.state in (State.READY, State.GENERATING),
            "uptime_seconds": round(time.monotonic() - app.ctx.started, 3),
            "problem": _problem(service),
            "device": {
                "path": next((node for node in npu.device_nodes if os.path.exists(node)), None),
                "group": npu.device_group,
                "emulated": info.emulated if info else None,
            },
            "versions": {"hailo_vision": __version__, "hailort": info.runtime_version if info else None},
            "queue": {
                "running": service.scheduler.running,
                "waiting": service.scheduler.waiting,
                "size": service.config.server.queue_size,
            },
            "loads": engine.loads,
            "npu_pid": engine.pid,
        }
    )


async def readiness(request: Request) -> HTTPResponse:
    """GET /health/ready: 503 with a reason unless a request would be answered."""
    service: Service = request.app.ctx.service
    reason = service.unready_reason()
    if reason is None:
        return json_response({"ready": True})
    return json_response({"ready": False, "reason": reason}, 503)


async def metrics(request: Request) -> HTTPResponse:
    """GET /metrics"""
    body, content_type = request.app.ctx.metrics.render(request.headers.get("accept", ""))
    return HTTPResponse(body, content_type=content_type)


def _problem(service: Service) -> dict[str, str] | None:
    problem = service.engine.problem
    if problem is None:
        return None
    return {"code": problem.code, "message": problem.message, "cure": problem.cure}


def _model_object(app: App) -> dict[str, object]:
    """OpenAI's Model object, with the extra fields by which clients size their prompts."""
    service: Service = app.ctx.service
    info = service.engine.model
    context = info.context_length if info else None
    return {
        "id": service.config.model.name,
        "object": "model",
        "created": app.ctx.created,
        "owned_by": "hailo-vision",
        "max_model_len": context,
        "meta": {"n_ctx": context},
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "aliases": list(service.config.model.aliases),
    }
