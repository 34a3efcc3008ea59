"""POST /api/chat"""

import re
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.http.ollama.answer_types import ChatReply, ReplyMessage
from hailo_vision.http.ollama.reading import turns_of_chat
from hailo_vision.http.ollama.replies import now, read, reply
from hailo_vision.http.ollama.request_types import ChatRequest

_decoder = msgspec.json.Decoder(ChatRequest)
_KNOWN = ((re.compile(r"\.role$"), "system, user, assistant, tool"),)


async def chat(request: Request) -> HTTPResponse | None:
    body, model = read(request, _decoder, _KNOWN)

    def make(text: str, end: dict[str, Any]) -> ChatReply:
        return ChatReply(model=model, created_at=now(), message=ReplyMessage(text), **end)

    return await reply(request, body, turns_of_chat(body), "messages", make)
