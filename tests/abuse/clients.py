"""The clients of the soak and chaos runs: each asks in its own way, and judges what it gets."""

import asyncio
import io
import itertools
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import httpx
import numpy as np
from PIL import Image
from support.ollama import picture
from support.pictures import DATA, data_uri, plain, user
from support.server import MODEL

KINDS = (
    *("text", "chat", "stream", "ollama", "generate", "responses", "tool", "photo", "heic", "batch"),
    *("leaver", "slow_body", "slow_reader", "text", "stream", "idle"),
)
# What a client that leaves may have asked.
_LEFT = ("text", "stream", "ollama", "generate", "responses", "tool", "heic")
_numbers = itertools.count(1)


@cache
def photo_body() -> bytes:
    """A request about a 12-megapixel JPEG."""
    noise = np.random.default_rng(1).integers(0, 255, (75, 100, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((4000, 3000)).save(buffer, "JPEG", quality=80)
    message = user("What is this?", buffer.getvalue())
    return json.dumps({"model": MODEL, "messages": [message], "max_tokens": 8}).encode()


@cache
def heic() -> bytes:
    """A picture as iPhones make them."""
    return (DATA / "coffee.heic").read_bytes()


COUNT = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
TOOL = {"type": "function", "function": {"name": "count", "parameters": COUNT}}


class Target(Protocol):
    """Where clients ask; those that speak HTTP by themselves need one on this machine."""

    @property
    def url(self) -> str: ...

    @property
    def port(self) -> int: ...


@dataclass(frozen=True)
class Journey:
    """A text question: its number in the prompt, and when it was sent."""

    number: int
    sent: float


@dataclass
class Client:
    """Asks again and again until a time or a count is reached; outcomes that begin with "bad" are faults."""

    kind: str
    chance: random.Random
    outcomes: Counter[str]
    journeys: list[Journey] = field(default_factory=list)
    stop_at: float = float("inf")
    count: int = 1_000_000_000
    allowed: tuple[int, ...] = (200, 429)
    cuts: bool = False  # whether a connection may break: an error that no client takes for an answer

    async def run(self, server: Target) -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=120) as http:
            asked = 0
            while asked < self.count and time.monotonic() < self.stop_at:
                asked += 1
                try:
                    outcome = await self.ask(server, http)
                except httpx.TransportError as error:
                    outcome = f"{'cut' if self.cuts else 'bad'} {type(error).__name__}"
                self.outcomes[outcome if outcome.startswith("bad") else f"{self.kind} {outcome}"] += 1
                if not outcome.endswith("200"):
                    await asyncio.sleep(self.chance.uniform(0.02, 0.1))

    async def ask(self, server: Target, http: httpx.AsyncClient) -> str:
        """One request; what came of it."""
        match self.kind:
            case "idle":
                return await self._idle(server)
            case "slow_body":
                return await self._slow_body(server)
            case "slow_reader":
                return await self._slow_reader(server)
            case "leaver":
                return await self._leave(http)
            case "stream":
                return await self._stream(http)
            case "ollama" | "generate":
                return await self._ollama(http)
            case "responses":
                return await self._responses(http)
            case "photo":
                return self._judge(await http.post("/v1/chat/completions", content=photo_body()))
        path, body = self._asked(self.kind)
        return self._judge(await http.post(path, json=body))

    def _asked(self, kind: str) -> tuple[str, dict[str, Any]]:
        """A client's route and its body."""
        body = self._body(stream=kind == "stream")
        messages = body["messages"]
        match kind:
            case "ollama":
                return "/api/chat", {"model": MODEL, "messages": messages, "options": {"num_predict": 8}}
            case "generate":
                asked = {"model": MODEL, "prompt": "Which colour?", "options": {"num_predict": 8}}
                return "/api/generate", {**asked, "images": [picture(plain("red"))]}
            case "responses":
                limit = {"stream": True, "max_output_tokens": 8}
                return "/v1/responses", {"model": MODEL, "input": messages, **limit}
            case "batch":
                images = [data_uri(plain(colour)) for colour in ("red", "blue")]
                return "/v1/vision/analyze", {"images": images, "prompt": "Which colour?", "max_tokens": 4}
            case "tool":
                body |= {"tools": [TOOL], "tool_choice": "required", "max_tokens": 40}
            case "heic":
                body["messages"] = [user("What is this?", heic())]
        return "/v1/chat/completions", body

    def _body(self, stream: bool = False) -> dict[str, Any]:
        number = next(_numbers)
        question = {"role": "user", "content": f"Say hello. Number {number}."}
        if self.kind == "text":
            self.journeys.append(Journey(number, time.monotonic()))
        messages = [question]
        if self.kind == "chat":
            turn = {"role": "assistant", "content": "Yes."}
            messages = [{"role": "user", "content": "Are you there?"}, turn, question]
        return {"model": MODEL, "messages": messages, "max_tokens": 8, "stream": stream}

    def _judge(self, response: httpx.Response) -> str:
        """A whole answer, or an error that says what it is and when to come again."""
        if response.status_code not in self.allowed:
            return f"bad {response.status_code}: {response.text[:80]}"
        if response.status_code != 200:
            complete = response.json()["error"]["code"] and int(response.headers.get("retry-after", 0)) >= 1
            return str(response.status_code) if complete else f"bad {response.status_code} without a time"
        body = response.json()
        if "results" in body:
            whole = [result.get("finish_reason") in ("stop", "length") for result in body["results"]]
            errors = [result["error"]["code"] for result in body["results"] if result.get("error")]
            return "200" if all(whole) else self._in_stream(errors[0] if errors else "")
        choice = body["choices"][0]
        if self.kind == "tool":
            (call,) = choice["message"]["tool_calls"]
            fine = isinstance(json.loads(call["function"]["arguments"])["number"], int)
        else:
            fine = choice["finish_reason"] in ("stop", "length") and choice["message"]["content"]
        return "200" if fine else f"bad answer: {response.text[:80]}"

    def _in_stream(self, code: str) -> str:
        """An error where a 200 has begun; only where errors are to be expected at all."""
        return f"error {code}" if code and 503 in self.allowed else f"bad end {code}"

    async def _stream(self, http: httpx.AsyncClient) -> str:
        async with http.stream("POST", "/v1/chat/completions", json=self._body(stream=True)) as response:
            if response.status_code != 200:
                await response.aread()
                return self._judge(response)
            lines = [line async for line in response.aiter_lines() if line.startswith("data: ")]
        if not lines or lines[-1] != "data: [DONE]":
            return "bad: a stream ended without a word"
        last = json.loads(lines[-2].removeprefix("data: "))
        if "error" in last:
            return self._in_stream(str(last["error"]["code"]))
        return "200" if last["choices"][0]["finish_reason"] in ("stop", "length") else "bad finish"

    async def _ollama(self, http: httpx.AsyncClient) -> str:
        """Streamed, as Ollama's clients do unless told otherwise."""
        path, body = self._asked(self.kind)
        async with http.stream("POST", path, json=body) as response:
            lines = [json.loads(line) async for line in response.aiter_lines()]
        status = response.status_code
        if status not in self.allowed:
            return f"bad {status}: {lines}"
        if status != 200:
            complete = lines[0]["error"] and int(response.headers.get("retry-after", 0)) >= 1
            return str(status) if complete else f"bad {status} without a time"
        if "error" in lines[-1]:
            return self._in_stream("in a line")
        return "200" if lines[-1]["done_reason"] in ("stop", "length") else "bad finish"

    async def _responses(self, http: httpx.AsyncClient) -> str:
        path, body = self._asked("responses")
        async with http.stream("POST", path, json=body) as response:
            if response.status_code != 200:
                await response.aread()
                return self._judge(response)
            lines = [line async for line in response.aiter_lines() if line.startswith("data: ")]
        last = json.loads(lines[-1].removeprefix("data: "))
        if last["type"] == "response.failed":
            return self._in_stream(str(last["response"]["error"]["code"]))
        return "200" if last["type"] in ("response.completed", "response.incomplete") else "bad finish"

    async def _leave(self, http: httpx.AsyncClient) -> str:
        path, body = self._asked(self.chance.choice(_LEFT))
        asked = asyncio.create_task(http.post(path, json=body))
        done, _ = await asyncio.wait({asked}, timeout=self.chance.uniform(0, 0.6))
        if done:
            error = asked.exception()
            await asyncio.sleep(0.1)
            if error:
                raise error
            return "stayed"
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        return "left"

    def _patience(self, seconds: float) -> float:
        return max(0.0, min(seconds, self.stop_at - time.monotonic()))

    async def _idle(self, server: Target) -> str:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.sleep(self._patience(5))
        writer.close()
        return "idle"

    async def _slow_body(self, server: Target) -> str:
        """A kilobyte a second."""
        body = json.dumps(self._body()).encode() + b" " * 2500
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode())
        for start in range(0, len(body), 256):
            writer.write(body[start : start + 256])
            await asyncio.sleep(0.25)
        status = (await reader.readline()).split()
        writer.close()
        return status[1].decode() if status and int(status[1]) in self.allowed else f"bad slow body {status}"

    async def _slow_reader(self, server: Target) -> str:
        """A byte a second for a while, then the rest."""
        body = json.dumps(self._body(stream=True)).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b""
        for _ in range(5):
            answer += await reader.read(1)
            await asyncio.sleep(self._patience(1))
        answer += await reader.read()
        writer.close()
        status = int(answer.split(b" ", 2)[1])
        whole = status != 200 or b"data: [DONE]" in answer
        return str(status) if status in self.allowed and whole else f"bad slow reader {status}"
