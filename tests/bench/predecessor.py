"""A plain service, for orientation: aiohttp, pictures decoded in the event loop, one generation a call and
one at a time, the answer sent when it is complete, HailoRT in the same process.

    python -m tests.bench.predecessor PORT HEF
"""

import asyncio
import base64
import sys
from typing import Any

from aiohttp import web
from hailo_platform import VDevice
from hailo_platform.genai import VLM

from tests.bench.full_decode import full_decode


class Handler:
    def __init__(self, vlm: Any) -> None:
        self._vlm = vlm
        self._lock = asyncio.Lock()

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        frames, prompt = [], []
        for message in body["messages"]:
            parts = message["content"]
            if isinstance(parts, str):
                parts = [{"type": "text", "text": parts}]
            content = []
            for part in parts:
                if part["type"] == "text":
                    content.append(part)
                else:
                    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
                    frames.append(full_decode(data))
                    content.append({"type": "image"})
            prompt.append({"role": message["role"], "content": content})
        async with self._lock:
            text = await asyncio.to_thread(self._generate, prompt, frames, body["max_tokens"])
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return web.json_response({"object": "chat.completion", "choices": [choice]})

    def _generate(self, prompt: Any, frames: Any, max_tokens: int) -> str:
        self._vlm.clear_context()
        text: str = self._vlm.generate_all(prompt, frames, do_sample=False, max_generated_tokens=max_tokens)
        return text

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})


def main(port: int, hef: str) -> None:
    with VDevice() as device, VLM(device, hef) as vlm:
        handler = Handler(vlm)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", handler.chat)
        app.router.add_get("/health", handler.health)
        web.run_app(app, host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
