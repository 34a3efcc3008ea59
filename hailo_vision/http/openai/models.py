"""GET /v1/models and /v1/models/{id}"""

import urllib.parse

from sanic import HTTPResponse, Request

from hailo_vision.http.openai.answer_types import ContextSize, Model, ModelList
from hailo_vision.http.web import App, json_response
from hailo_vision.inference.service import Service


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
