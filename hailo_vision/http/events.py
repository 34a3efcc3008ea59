"""Streamed responses: parts of an answer as they come, and signs of life in between.

An error before the first part is an ordinary error response; a later one is reported in the stream, because
most clients take a stream that just ends for a complete answer.
"""

import asyncio
import time
from types import TracebackType
from typing import Protocol, Self

from sanic import HTTPResponse, Request

from hailo_vision.http.errors import Failure, report

SERVER_SENT = "text/event-stream; charset=utf-8"
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Wire(Protocol):
    """How a dialect streams."""

    @property
    def content_type(self) -> str: ...

    def heartbeat(self) -> bytes:
        """A sign of life that every client of the dialect takes."""

    def failure(self, failure: Failure) -> bytes:
        """What reports a failure and ends the stream."""


def server_sent(*events: bytes) -> bytes:
    """Events of which each is a JSON text. Data lines only: an `event:`, `id:` or `retry:` field makes some
    of OpenAI's SDKs fail at chat completions."""
    return b"".join([b"data: %b\n\n" % event for event in events])


class Stream:
    """One streamed response. It begins with the first part, or with a sign of life when nothing has come for
    the configured interval.

    A context manager: an error in its body is reported in the stream and ends it; if nothing was sent yet,
    the error is raised, to become an ordinary response.
    """

    def __init__(self, request: Request, wire: Wire) -> None:
        self._request = request
        self._wire = wire
        self._interval: float = request.app.ctx.config.server.heartbeat_interval
        self._response: HTTPResponse | None = None
        self._lock = asyncio.Lock()
        self._last_sent = time.monotonic()
        self._heart: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._heart = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._heart:
            self._heart.cancel()
            self._heart = None  # each would hold the other, and the request
        if error is None:
            await self._end()
        if not isinstance(error, Exception) or self._response is None:
            return False
        await self.send(self._wire.failure(report(self._request, error)))
        await self._end()
        return True

    async def send(self, data: bytes) -> None:
        """Send parts in one piece; waits while the client reads too slowly."""
        async with self._lock:
            await self._write(data)

    async def _end(self) -> None:
        if self._response:
            await self._response.eof()  # type: ignore[no-untyped-call]

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._last_sent + self._interval - time.monotonic())
            async with self._lock:
                if time.monotonic() - self._last_sent >= self._interval:
                    await self._write(self._wire.heartbeat())

    async def _write(self, data: bytes) -> None:
        if self._response is None:
            self._response = await self._request.respond(
                content_type=self._wire.content_type, headers=_HEADERS
            )
        await self._response.send(data)
        self._last_sent = time.monotonic()
