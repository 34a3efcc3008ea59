"""The routes that report on the service: health, readiness and metrics."""

import os
import time
from typing import Literal

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision import __version__
from hailo_vision.http.openai.answer_types import ErrorResponse
from hailo_vision.http.openapi import Description, Operation
from hailo_vision.http.web import json_response
from hailo_vision.inference.service import Service
from hailo_vision.npu.supervisor import State


class ProblemReport(msgspec.Struct, frozen=True):
    """Why the NPU can't work, and what an operator does about it; detail is the end of the NPU process's
    stderr."""

    code: str
    message: str
    cure: str
    detail: str


class Device(msgspec.Struct, frozen=True):
    """emulated is null until the model has been loaded once."""

    path: str | None
    group: str
    emulated: bool | None


class Versions(msgspec.Struct, frozen=True):
    hailo_vision: str
    hailort: str | None


class Queue(msgspec.Struct, frozen=True):
    running: int
    waiting: int
    size: int


class Transfer(msgspec.Struct, frozen=True):
    """How far the model file is that is being fetched."""

    bytes_done: int
    bytes_total: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """200 as long as the service lives; state and problem tell the rest."""

    status: Literal["ok"] = "ok"
    live: Literal[True] = True
    state: str
    model: str
    model_loaded: bool
    uptime_seconds: float
    problem: ProblemReport | None
    fetch: Transfer | None
    device: Device
    versions: Versions
    queue: Queue
    loads: int
    npu_pid: int | None


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    ready: bool
    reason: str | None = None


async def health(request: Request) -> HTTPResponse:
    """GET /health"""
    service: Service = request.app.ctx.service
    supervisor, npu, scheduler = service.supervisor, service.config.npu, service.scheduler
    info, problem, fetch = supervisor.model, supervisor.problem, supervisor.model_file.progress
    return json_response(
        Health(
            state=supervisor.state,
            model=service.config.model.name,
            model_loaded=supervisor.state in (State.READY, State.GENERATING),
            uptime_seconds=round(time.monotonic() - request.app.ctx.started, 3),
            problem=(
                ProblemReport(problem.code, problem.message, problem.cure, problem.detail)
                if problem
                else None
            ),
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


DESCRIPTION = Description(
    prefix="",
    error=ErrorResponse,
    operations={
        ("get", "/health"): Operation("State of service and NPU", "health", Health, keyed=False),
        ("get", "/health/ready"): Operation(
            "Whether a request would be answered now",
            "health",
            Readiness,
            also={"503": ("Not now; `reason` says why", Readiness)},
            keyed=False,
        ),
        ("get", "/metrics"): Operation("Figures for Prometheus", "health", None),
    },
    fields={
        "status": "Always ok: the service lives.",
        "live": "Always true: the service lives.",
        "state": "What the NPU does: starting, fetching, loading, ready, generating, unloading, unloaded, "
        "restarting, failed or stopped.",
        "model": "Name of the model.",
        "model_loaded": "Whether the model is on the NPU.",
        "uptime_seconds": "Age of the service.",
        "problem": "Why the NPU can't work; null if it can.",
        "ProblemReport.message": "The cause.",
        "cure": "What an operator does about it.",
        "detail": "What the NPU process wrote last to stderr.",
        "fetch": "How far the model file is that is being fetched; null if none is.",
        "bytes_done": "Bytes that have come.",
        "bytes_total": "Bytes in all.",
        "device": "The NPU's device.",
        "path": "Its node; null if there is none.",
        "group": "HailoRT's device group.",
        "emulated": "Whether it is an emulator; null until the model was loaded once.",
        "versions": "Versions of service and runtime.",
        "hailo_vision": "Version of the service.",
        "hailort": "Version of HailoRT; null until the model was loaded once.",
        "queue": "Requests on their way.",
        "running": "Requests on the NPU.",
        "waiting": "Requests that wait for it.",
        "size": "Requests that may wait.",
        "loads": "How often the model was loaded.",
        "npu_pid": "The NPU process, if it has loaded the model.",
        "ready": "Whether a request would be answered now.",
        "reason": "Why not.",
    },
)
