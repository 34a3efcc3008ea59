"""POST /api/generate"""

from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.http.ollama.answer_types import GenerateReply
from hailo_vision.http.ollama.reading import turns_of_generate
from hailo_vision.http.ollama.replies import now, read, reply
from hailo_vision.http.ollama.request_types import GenerateRequest

_decoder = msgspec.json.Decoder(GenerateRequest)


async def generate(request: Request) -> HTTPResponse | None:
    body, model = read(request, _decoder)

    def make(text: str, end: dict[str, Any]) -> GenerateReply:
        return GenerateReply(model=model, created_at=now(), response=text, **end)

    return await reply(request, body, turns_of_generate(body, model), "prompt", make)
