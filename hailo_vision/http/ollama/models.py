"""The routes that describe the model, and those that would change it, which only the deployment may do."""

import math
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import decode
from hailo_vision.http.errors import HttpError
from hailo_vision.http.ollama import answer_types
from hailo_vision.http.ollama.generating import NDJSON, line, model_of, now
from hailo_vision.http.ollama.identity import identity
from hailo_vision.http.ollama.request_types import NamedModel
from hailo_vision.http.web import json_response
from hailo_vision.inference.service import Service
from hailo_vision.npu.supervisor import State

# Clients take each part of it as an integer, so nothing may follow it.
_VERSION = "0.12.6"
# Parameters of the 2B models that there are for the Hailo-10H (what the shapes in transformers' Qwen2-VL and
# Qwen3-VL add up to with the checkpoints' config.json), and how Hailo's Model Zoo says they are quantized.
_FAMILIES = {"qwen2vl": (2_208_985_600, "A8W4"), "qwen3vl": (2_127_532_032, "A16W4")}
_LATEST = ":latest"
_CENTURIES = timedelta(days=365 * 300)

_named = msgspec.json.Decoder(NamedModel)


async def version(request: Request) -> HTTPResponse:
    """GET /api/version"""
    return json_response(answer_types.Version(_VERSION))


async def tags(request: Request) -> HTTPResponse:
    """GET /api/tags"""
    model = answer_types.ListedModel(modified_at=identity(request).modified_at, **_named_model(request))
    return json_response(answer_types.Tags([model]))


async def ps(request: Request) -> HTTPResponse:
    """GET /api/ps"""
    service: Service = request.app.ctx.service
    supervisor = service.supervisor
    if supervisor.state not in (State.READY, State.GENERATING) or supervisor.model is None:
        return json_response(answer_types.Running([]))
    model = answer_types.LoadedModel(
        expires_at=_expiry(supervisor.keep_alive - max(0.0, supervisor.idle_seconds)),
        size_vram=identity(request).size,
        context_length=supervisor.model.context_length,
        **_named_model(request),
    )
    return json_response(answer_types.Running([model]))


async def show(request: Request) -> HTTPResponse:
    """POST /api/show"""
    await _require_named(request)
    service: Service = request.app.ctx.service
    details, model = _details(service.config.model.name), service.supervisor.model
    family = details.family
    info: dict[str, str | int] = {
        "general.architecture": family,
        "general.parameter_count": _FAMILIES[family][0],
    }
    if model:
        info[f"{family}.context_length"] = model.context_length
    modified_at = identity(request).modified_at
    return json_response(answer_types.Description(details=details, model_info=info, modified_at=modified_at))


async def pull(request: Request) -> HTTPResponse:
    """POST /api/pull: the served model is here already; no other can be pulled."""
    body = await _require_named(request)
    done = answer_types.Progress("success")
    if body.stream is False:
        return json_response(done)
    return HTTPResponse(line(answer_types.Progress("pulling manifest")) + line(done), content_type=NDJSON)


async def embed(request: Request) -> HTTPResponse:
    """POST /api/embed and /api/embeddings"""
    raise RequestError(Kind.UNSUPPORTED_PARAMETER, "This model does not support embeddings.")


async def change(request: Request) -> HTTPResponse:
    """POST /api/create, /api/copy and /api/push, DELETE /api/delete"""
    message = "The deployment of this service decides which model it has; it can't be changed here."
    raise HttpError("not_found", message)


async def _require_named(request: Request) -> NamedModel:
    body = await decode(request.body, _named)
    model_of(request, body.model or body.name)
    return body


def _named_model(request: Request) -> dict[str, Any]:
    """What a model has wherever it is listed; every name of Ollama's has a tag."""
    name: str = request.app.ctx.service.config.model.name
    name, known = name if ":" in name else name + _LATEST, identity(request)
    return {
        "name": name, "model": name, "size": known.size, "digest": known.digest, "details": _details(name),
    }  # fmt: skip


def _details(name: str) -> answer_types.ModelDetails:
    family = "qwen3vl" if name.lower().startswith("qwen3") else "qwen2vl"
    parameters, quantization = _FAMILIES[family]
    return answer_types.ModelDetails(family, (family,), f"{parameters / 1e9:.1f}B", quantization)


def _expiry(seconds: float) -> datetime:
    return now() + (_CENTURIES if math.isinf(seconds) else timedelta(seconds=max(0.0, seconds)))
