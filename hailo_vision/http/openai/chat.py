"""POST /v1/chat/completions"""

import time
import uuid

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision import __version__
from hailo_vision.config import ApiConfig
from hailo_vision.errors import InvalidRequest
from hailo_vision.http.openai.answer_types import AssistantReply, ChatCompletion, Choice
from hailo_vision.http.openai.request_types import ChatRequest, TextFormat, decode
from hailo_vision.http.openai.streaming import ChunkWriter, stream_chat
from hailo_vision.http.request_log import Account
from hailo_vision.http.web import client_of, json_response, patience_of
from hailo_vision.inference import conversation, structured
from hailo_vision.inference.conversation import Conversation
from hailo_vision.inference.generation import Generation
from hailo_vision.inference.service import Service
from hailo_vision.inference.structured import JsonAnswer

_decoder = msgspec.json.Decoder(ChatRequest)
_FINGERPRINT = f"hailo-vision-{__version__}"


async def chat(request: Request) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    body = decode(request.body, _decoder)
    _refuse_unsupported(body, service.config.api)
    service.check_model(body.model)
    service.scheduler.admit(patience=patience_of(request))
    answer = _answer(service, body, client_of(request), request.ctx.account)
    model = service.config.model.name
    completion_id, created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
    if body.stream:
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        chunks = ChunkWriter(completion_id, created, model, _FINGERPRINT, with_usage)
        await stream_chat(request, answer, chunks)
        return None
    text = await answer.text()
    return json_response(
        ChatCompletion(
            id=completion_id,
            created=created,
            model=model,
            choices=(Choice(message=AssistantReply(content=text), finish_reason=answer.finish_reason),),
            usage=answer.usage(),
            system_fingerprint=_FINGERPRINT,
            timings=answer.timings(),
            performance=answer.performance(service.model.load_seconds),
            json_report=answer.report or msgspec.UNSET,
        )
    )


def _answer(service: Service, body: ChatRequest, client: str, account: Account) -> Generation | JsonAnswer:
    """Queue what the request asks for."""

    def ask(asked: Conversation) -> Generation:
        # Only the first generation of a request has to find room in the queue.
        bounded = not account.generations
        generation = service.generate(asked, body, "messages", client, bounded=bounded)
        account.generations.append(generation)
        return generation

    wanted = conversation.read(body.messages)
    if body.response_format is None or isinstance(body.response_format, TextFormat):
        return ask(wanted)
    if service.config.api.json_mode == "refuse":
        structured.refuse(body.response_format)
    return JsonAnswer(ask, wanted, body.response_format)


def _refuse_unsupported(body: ChatRequest, config: ApiConfig) -> None:
    """What other servers do and can't be done here; raised before anything is queued."""
    if body.model is None and config.model_required:
        raise InvalidRequest(
            "Missing required parameter: 'model'.", code="missing_required_parameter", param="model"
        )
    if body.n is not None and body.n > 1:
        raise InvalidRequest("Only one choice can be generated: n must be 1.", param="n")
    if body.top_logprobs and not body.logprobs:
        raise InvalidRequest("top_logprobs needs logprobs.", param="top_logprobs")
    unsupported = {
        "logprobs": "The NPU gives no log probabilities." if body.logprobs else "",
        "logit_bias": "The NPU takes no logit_bias." if body.logit_bias else "",
        "modalities": "Only text can be generated." if "audio" in (body.modalities or ()) else "",
        "tool_choice": _no_tools(body.tool_choice),
        "function_call": _no_tools(body.function_call),
    }
    for param, reason in unsupported.items():
        if reason:
            raise InvalidRequest(reason, code="unsupported_parameter", param=param)


def _no_tools(choice: object) -> str:
    """Why a choice of tools can't be met; "" where the model may do without one."""
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools")
        choice = allowed.get("mode") if isinstance(allowed, dict) else None
    if choice in (None, "none", "auto"):
        return ""
    return "This model calls no tools: tool_choice can be 'none' or 'auto'."
