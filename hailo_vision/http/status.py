"""The handlers that only tell something: models, health, figures, the API's description."""

import os
import time
import urllib.parse

from sanic import HTTPResponse, Request

from hailo_vision import __version__
from hailo_vision.http.openai.answer_types import (
    ContextSize,
    Device,
    Health,
    Model,
    ModelList,
    ProblemReport,
    Queue,
    Readiness,
    Transfer,
    Versions,
)
from hailo_vision.http.openapi import document
from hailo_vision.http.web import App, json_response
from hailo_vision.inference.service import Service
from hailo_vision.npu.supervisor import State


async def models(request: Request) -> HTTPResponse:
    """GET /v1/models"""
    return json_response(ModelList(data=[_model(request.app)]))


async def model(request: Request, name: str) -> HTTPResponse:
    """GET /v1/models/{id}, by name or alias"""
    name = urllib.parse.unquote(name.strip("/"))
    if not name:
        return await models(request)
    service: Service = request.app.ctx.service
    service.check_model(name)
    return json_response(_model(request.app))


def _model(app: App) -> Model:
    service: Service = app.ctx.service
    info = service.supervisor.model
    context = info.context_length if info else None
    return Model(
        id=service.config.model.name,
        created=app.ctx.created,
        max_model_len=context,
        meta=ContextSize(context),
        aliases=service.config.model.aliases,
    )


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
            problem=ProblemReport(problem.code, problem.message, problem.cure) if problem else None,
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


async def openapi(request: Request) -> HTTPResponse:
    """GET /openapi.json"""
    return HTTPResponse(document(request.app.ctx.keys.required), content_type="application/json")
