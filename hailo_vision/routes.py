"""The routes and their handlers."""

import os
import time
import uuid
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic

from hailo_vision import __version__, conversation
from hailo_vision.analysis import analyze
from hailo_vision.engine import State
from hailo_vision.errors import InvalidRequest
from hailo_vision.responses import AssistantReply, ChatCompletion, Choice
from hailo_vision.schema import AnalyzeRequest, ChatRequest, decode
from hailo_vision.service import Service, client_key
from hailo_vision.streaming import ChunkWriter, stream_chat

App = Sanic[Any, Any]

_chat_decoder = msgspec.json.Decoder(ChatRequest)
_analyze_decoder = msgspec.json.Decoder(AnalyzeRequest)
_FINGERPRINT = f"hailo-vision-{__version__}"


def register(app: App) -> None:
    """Every route stands with and without /v1: clients' base URLs come both ways."""
    for prefix, name in (("/v1", "v1"), ("", "bare")):
        app.add_route(health, f"{prefix}/health", methods=["GET", "HEAD"], name=f"{name}_health")
        app.add_route(models, f"{prefix}/models", methods=["GET", "HEAD"], name=f"{name}_models")
        app.add_route(model, f"{prefix}/models/<name:path>", methods=["GET", "HEAD"], name=f"{name}_model")
        app.add_route(chat, f"{prefix}/chat/completions", methods=["POST"], name=f"{name}_chat")
        app.add_route(analysis, f"{prefix}/vision/analyze", methods=["POST"], name=f"{name}_analyze")
    app.add_route(readiness, "/health/ready", methods=["GET", "HEAD"], name="ready")
    app.add_route(readiness, "/readyz", methods=["GET", "HEAD"], name="readyz")


def json_response(value: object, status: int = 200) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(value), status, content_type="application/json")


async def chat(request: Request) -> HTTPResponse | None:
    """POST /v1/chat/completions"""
    service: Service = request.app.ctx.service
    body = decode(request.body, _chat_decoder)
    _refuse_unsupported(body)
    service.check_model(body.model)
    generation = service.generate(conversation.read(body.messages), body, "messages", _client(request))
    completion_id, created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
    if body.stream:
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        chunks = ChunkWriter(completion_id, created, body.model, _FINGERPRINT, with_usage)
        interval = service.config.server.keep_alive_comment_interval
        await stream_chat(request, generation, chunks, interval)
        return None
    text = await generation.text()
    return json_response(
        ChatCompletion(
            id=completion_id,
            created=created,
            model=body.model,
            choices=(Choice(message=AssistantReply(content=text), finish_reason=generation.finish_reason),),
            usage=generation.usage(),
            system_fingerprint=_FINGERPRINT,
            timings=generation.timings(),
            performance=generation.performance(service.model.load_seconds),
        )
    )


async def analysis(request: Request) -> HTTPResponse:
    """POST /v1/vision/analyze"""
    service: Service = request.app.ctx.service
    body = decode(request.body, _analyze_decoder)
    service.check_model(body.model)
    return json_response(await analyze(service, body, _client(request)))


async def models(request: Request) -> HTTPResponse:
    """GET /v1/models"""
    return json_response({"object": "list", "data": [_model_object(request.app)]})


async def model(request: Request, name: str) -> HTTPResponse:
    """GET /v1/models/{id}"""
    service: Service = request.app.ctx.service
    service.check_model(name)
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
        "aliases": [],
    }


def _refuse_unsupported(body: ChatRequest) -> None:
    """What is accepted by other servers and can't be done here; raised before anything is queued."""
    if body.n is not None and body.n > 1:
        raise InvalidRequest("Only one choice can be generated: n must be 1.", param="n")
    if body.logprobs or body.top_logprobs:
        name = "logprobs" if body.logprobs else "top_logprobs"
        raise InvalidRequest("The NPU gives no log probabilities.", code="unsupported_parameter", param=name)
    if body.logit_bias:
        raise InvalidRequest("The NPU takes no logit_bias.", code="unsupported_parameter", param="logit_bias")
    if body.modalities and "audio" in body.modalities:
        raise InvalidRequest("Only text can be generated.", code="unsupported_parameter", param="modalities")


def _client(request: Request) -> str:
    return client_key("")
