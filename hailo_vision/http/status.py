"""The routes that report on the service: health, readiness and metrics."""

import os
import time
from typing import Annotated, Literal

from msgspec import Struct
from sanic import HTTPResponse, Request

from hailo_vision import __version__
from hailo_vision.http.dialect import Route
from hailo_vision.http.openapi import doc
from hailo_vision.http.web import json_response
from hailo_vision.inference.service import Service
from hailo_vision.npu.supervisor import State


class ProblemReport(Struct, frozen=True):
    """Why the NPU can't work."""

    code: str
    message: Annotated[str, doc("The cause.")]
    cure: Annotated[str, doc("What an operator does about it.")]
    detail: Annotated[str, doc("What the NPU process wrote last to stderr.")]


class Device(Struct, frozen=True):
    path: Annotated[str | None, doc("Its node; null if there is none.")]
    group: Annotated[str, doc("HailoRT's device group.")]
    emulated: Annotated[bool | None, doc("Whether it is an emulator; null until the model was loaded once.")]


class Versions(Struct, frozen=True):
    hailo_vision: Annotated[str, doc("Version of the service.")]
    hailort: Annotated[str | None, doc("Version of HailoRT; null until the model was loaded once.")]


class Queue(Struct, frozen=True):
    running: Annotated[int, doc("Requests on the NPU.")]
    waiting: Annotated[int, doc("Requests that wait for it.")]
    size: Annotated[int, doc("Requests that may wait.")]


class Transfer(Struct, frozen=True):
    """How far the model file is that is being fetched."""

    bytes_done: Annotated[int, doc("Bytes that have come.")]
    bytes_total: Annotated[int, doc("Bytes in all.")]


class Health(Struct, frozen=True, kw_only=True):
    """200 as long as the service lives; state and problem tell the rest."""

    status: Annotated[Literal["ok"], doc("Always ok: the service lives.")] = "ok"
    live: Annotated[Literal[True], doc("Always true: the service lives.")] = True
    state: Annotated[
        str,
        doc(
            "What the NPU does: starting, fetching, loading, ready, generating, unloading, unloaded, "
            "restarting, failed or stopped."
        ),
    ]
    model: Annotated[str, doc("Name of the model.")]
    model_loaded: Annotated[bool, doc("Whether the model is on the NPU.")]
    uptime_seconds: Annotated[float, doc("Age of the service.")]
    problem: Annotated[ProblemReport | None, doc("Why the NPU can't work; null if it can.")]
    warnings: Annotated[list[str], doc("What is wrong with the files of keys and certificate.")]
    fetch: Annotated[Transfer | None, doc("How far the model file is; null if it is not being fetched.")]
    device: Annotated[Device, doc("The NPU's device.")]
    versions: Annotated[Versions, doc("Versions of service and runtime.")]
    queue: Annotated[Queue, doc("Requests on their way.")]
    loads: Annotated[int, doc("How often the model was loaded.")]
    npu_pid: Annotated[int | None, doc("The NPU process, if it has loaded the model.")]


class Readiness(Struct, frozen=True, omit_defaults=True):
    ready: Annotated[bool, doc("Whether a request would be answered now.")]
    reason: Annotated[str | None, doc("Why not.")] = None


async def health(request: Request) -> HTTPResponse:
    """GET /health"""
    app = request.app.ctx
    service: Service = app.service
    supervisor, npu, scheduler = service.supervisor, service.config.npu, service.scheduler
    info, problem, fetch = supervisor.model, supervisor.problem, supervisor.model_file.progress
    return json_response(
        Health(
            state=supervisor.state,
            model=service.config.model.name,
            model_loaded=supervisor.state in (State.READY, State.GENERATING),
            uptime_seconds=round(time.monotonic() - app.started, 3),
            problem=(
                ProblemReport(problem.code, problem.message, problem.cure, problem.detail)
                if problem
                else None
            ),
            warnings=[one.problem for one in (app.keys, app.certificate) if one and one.problem],
            fetch=Transfer(fetch.done, fetch.total) if fetch else None,
            device=Device(
                next((node for node in npu.device_nodes if os.path.exists(node)), None),
                npu.device_group,
                info.emulated if info else None,
            ),
            versions=Versions(__version__, info.runtime_version if info else None),
            queue=Queue(scheduler.running, scheduler.waiting, service.config.server.queue_size),
            loads=supervisor.loads,
            npu_pid=supervisor.pid,
        )
    )


async def readiness(request: Request) -> HTTPResponse:
    """GET /health/ready: 503 with a reason unless a request would be answered."""
    service: Service = request.app.ctx.service
    reason = service.unready_reason()
    return json_response(Readiness(reason is None, reason), 200 if reason is None else 503)


async def metrics(request: Request) -> HTTPResponse:
    """GET /metrics"""
    body, content_type = request.app.ctx.metrics.render(request.headers.get("accept", ""))
    return HTTPResponse(body, content_type=content_type)


ROUTES = (
    Route(
        "GET",
        "/health",
        health,
        "State of service and NPU",
        "health",
        Health,
        paths=("/health", "/v1/health"),
        open=True,
    ),
    Route(
        "GET",
        "/health/ready",
        readiness,
        "Whether a request would be answered now",
        "health",
        Readiness,
        also={"503": ("Not now; `reason` says why", Readiness)},
        paths=("/health/ready", "/readyz"),
        open=True,
    ),
    Route("GET", "/metrics", metrics, "Figures for Prometheus", "health", None),
)
