"""Answers as server-sent events, in the one dialect that every OpenAI client reads.

Data lines and comments only: an `event:`, `id:` or `retry:` field makes some official SDK fail. What
goes wrong before the first event is an ordinary error response; afterwards it is an error event, because
most clients take a stream that just ends for a complete answer.
"""

import asyncio
import time
from functools import partial

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.errors import ApiError
from hailo_vision.generation import Generation
from hailo_vision.responses import ChatChunk, ChunkChoice, Delta, Usage

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_encode = msgspec.json.encode


class EventStream:
    """One response of server-sent events. It begins with the first event, or after `interval` seconds of
    silence with a comment, and sends further comments so that proxies and clients don't time out."""

    def __init__(self, request: Request, interval: float) -> None:
        self._request = request
        self._interval = interval
        self._response: HTTPResponse | None = None
        self._lock = asyncio.Lock()
        self._last_sent = time.monotonic()
        self._comments = asyncio.create_task(self._comment())

    @property
    def begun(self) -> bool:
        return self._response is not None

    async def send(self, event: bytes) -> None:
        """Send one event's JSON text; waits while the client reads too slowly."""
        await self._write(b"data: " + event + b"\n\n")

    async def end(self) -> None:
        await self.send(b"[DONE]")
        if self._response:
            await self._response.eof()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Stop the comments; to be called in every case."""
        self._comments.cancel()

    async def _comment(self) -> None:
        while True:
            await asyncio.sleep(self._last_sent + self._interval - time.monotonic())
            if time.monotonic() - self._last_sent >= self._interval:
                await self._write(b": keep-alive\n\n")

    async def _write(self, data: bytes) -> None:
        async with self._lock:
            if self._response is None:
                self._response = await self._request.respond(
                    content_type="text/event-stream; charset=utf-8", headers=_HEADERS
                )
            await self._response.send(data)
            self._last_sent = time.monotonic()


class ChunkWriter:
    """The chunks of one streamed completion, all with the same id, time and model."""

    def __init__(self, completion_id: str, created: int, model: str, fingerprint: str, with_usage: bool):
        """with_usage: the client asked for a last chunk with the counts of tokens."""
        self.with_usage = with_usage
        self._make = partial(
            ChatChunk, id=completion_id, created=created, model=model, system_fingerprint=fingerprint
        )
        self._no_usage = None if with_usage else msgspec.UNSET

    def delta(self, delta: Delta) -> bytes:
        return _encode(self._make(choices=(ChunkChoice(delta=delta),), usage=self._no_usage))

    def finish(self, generation: Generation) -> bytes:
        choice = ChunkChoice(delta=Delta(), finish_reason=generation.finish_reason)
        return _encode(self._make(choices=(choice,), usage=self._no_usage, timings=generation.timings()))

    def usage(self, usage: Usage) -> bytes:
        return _encode(self._make(choices=(), usage=usage))


async def stream_chat(request: Request, generation: Generation, chunks: ChunkWriter, interval: float) -> None:
    """Send a generation as it comes.

    Raises:
        ApiError: it failed before anything was sent.
    """
    stream = EventStream(request, interval)
    try:
        role: Delta | None = Delta("assistant", "")
        async for text in generation.texts():
            if role:
                await stream.send(chunks.delta(role))
                role = None
            await stream.send(chunks.delta(Delta(content=text)))
        if role:
            await stream.send(chunks.delta(role))
        await stream.send(chunks.finish(generation))
        if chunks.with_usage:
            await stream.send(chunks.usage(generation.usage()))
    except ApiError as error:
        if not stream.begun:
            raise
        await stream.send(_encode(error.body()))
    finally:
        stream.close()
    await stream.end()
