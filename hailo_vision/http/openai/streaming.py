"""Answers as server-sent events, in the one dialect that every OpenAI client reads.

Data lines and comments only: an `event:`, `id:` or `retry:` field makes some official SDK fail. What
goes wrong before the first event is an ordinary error response; afterwards it is an error event, because
most clients take a stream that just ends for a complete answer.
"""

import asyncio
import logging
import time
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Self

import msgspec
from sanic import HTTPResponse, Request

from hailo_vision.errors import ApiError, InternalError
from hailo_vision.http.openai.answer_types import ChatChunk, ChunkChoice, Delta, Usage
from hailo_vision.inference.generation import Generation
from hailo_vision.inference.structured import JsonAnswer

log = logging.getLogger(__name__)

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_SLOWEST_READER_SECONDS = 60.0
_encode = msgspec.json.encode


class EventStream:
    """One response of server-sent events. It begins with the first event, or after `interval` seconds of
    silence with a comment, and sends further comments so that proxies and clients don't time out.

    A context manager: an error in its body becomes an error event and the end of the stream; if
    nothing was sent yet, it is raised, to become an ordinary response.
    """

    def __init__(self, request: Request, interval: float) -> None:
        self._request = request
        self._interval = interval
        self._response: HTTPResponse | None = None
        self._lock = asyncio.Lock()
        self._last_sent = time.monotonic()
        self._comments: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, request: Request) -> Self:
        """A stream with the configured interval."""
        return cls(request, request.app.ctx.config.server.keep_alive_comment_interval)

    async def __aenter__(self) -> Self:
        self._comments = asyncio.create_task(self._comment())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._comments:
            self._comments.cancel()
        if not isinstance(error, Exception) or not self.begun:
            return False
        if not isinstance(error, ApiError):
            log.error("Request %s failed unexpectedly", self._request.ctx.id, exc_info=error)
            error = InternalError("The service failed unexpectedly; its log has the details.")
        self._request.ctx.account.code = error.code
        await self.send(_encode(error.body()))
        await self.end()
        return True

    @property
    def begun(self) -> bool:
        return self._response is not None

    async def send(self, *events: bytes) -> None:
        """Send events, each a JSON text, in one piece; waits while the client reads too slowly."""
        await self._write(b"".join([b"data: %b\n\n" % event for event in events]))

    async def end(self, *events: bytes) -> None:
        """Send the last events, and that they were."""
        await self.send(*events, b"[DONE]")
        if self._response:
            await self._response.eof()  # type: ignore[no-untyped-call]

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
            if not self._request.transport.get_write_buffer_size():  # type: ignore[attr-defined]
                # All that was sent before is gone: this will not wait, and a timer is dear.
                await self._response.send(data)
                self._last_sent = time.monotonic()
                return
            try:
                async with asyncio.timeout(_SLOWEST_READER_SECONDS):
                    await self._response.send(data)
            except TimeoutError:
                # Nobody reads: as good as gone.
                self._request.transport.abort()  # type: ignore[attr-defined]
                raise asyncio.CancelledError from None
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
        # Only the text differs from chunk to chunk. No string holds this: quotes in one are escaped.
        before, _, self._after = self._delta(Delta(content="")).partition(b'"content":""')
        self._before = before + b'"content":'

    def _delta(self, delta: Delta) -> bytes:
        return _encode(self._make(choices=(ChunkChoice(delta=delta),), usage=self._no_usage))

    def role(self) -> bytes:
        return self._delta(Delta("assistant", ""))

    def text(self, text: str) -> bytes:
        return b"%b%b%b" % (self._before, _encode(text), self._after)

    def finish(self, answer: Generation | JsonAnswer) -> bytes:
        choice = ChunkChoice(delta=Delta(), finish_reason=answer.finish_reason)
        report = answer.report or msgspec.UNSET
        timings = answer.timings()
        return _encode(
            self._make(choices=(choice,), usage=self._no_usage, timings=timings, json_report=report)
        )

    def usage(self, usage: Usage) -> bytes:
        return _encode(self._make(choices=(), usage=usage))


async def stream_chat(request: Request, answer: Generation | JsonAnswer, chunks: ChunkWriter) -> None:
    """Send an answer as it comes.

    Raises:
        ApiError: it failed before anything was sent.
    """
    async with EventStream.of(request) as stream, aclosing(answer.texts()) as texts:
        role = [chunks.role()]
        async for some in texts:
            await stream.send(*role, *map(chunks.text, some))
            role = []
        last = [*role, chunks.finish(answer)]
        if chunks.with_usage:
            last.append(chunks.usage(answer.usage()))
        await stream.end(*last)
