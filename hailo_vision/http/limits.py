"""What one connection may cost the service, and what may pass for HTTP at all.

Sanic bounds a request's size and how long nothing comes. It does not bound how slowly something comes,
how many connections there are, nor what all their bodies hold together; and it reads some malformed
requests in a way that a proxy in front of it may not (request smuggling, RFC 9112 section 11.2).
"""

import io
import re
import time
from asyncio import BaseTransport
from typing import Any, cast

from sanic import Request
from sanic import exceptions as sanic_exceptions
from sanic.http import Http, Stage
from sanic.server.protocols.http_protocol import HttpProtocol

from hailo_vision.http.errors import TooMany, retry_after
from hailo_vision.http.web import App

MAX_CONNECTIONS = 512  # half of the descriptors that systemd gives a service
BODIES_IN_MEMORY = 4  # times max_body_bytes, over all requests together
HEAD_SECONDS = 20.0
# A body may take as long as a slow link needs, as in Apache's mod_reqtimeout.
BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 500
_LOOK_EVERY_SECONDS = 5.0
_FIRST_WORD_SECONDS = 1.0
_LAST_WORD_SECONDS = 5.0  # for a client that still sends, to read why it is refused
_RETRY_SECONDS = 5.0

# A request line and fields as RFC 9112 (2.2, 3, 5) writes them: no folded lines, no space before the
# colon, no lone CR or LF, no control characters.
_HEAD = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]"
    rb"(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*)*"
)
_HOST = re.compile(rb"\r\nhost:", re.IGNORECASE)
_DIGITS = {10: re.compile(r"[0-9]{1,18}"), 16: re.compile(r"[0-9A-Fa-f]{1,15}")}

_FULL_BODY = (
    b'{"error":{"message":"Too many connections are open.","type":"rate_limit_error","param":null,'
    b'"code":"too_many_connections"}}'
)
_FULL = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_FULL_BODY), _FULL_BODY)
)


class _StrictHttp(Http):
    """Sanic's HTTP/1.1 with what it reads too kindly."""

    def init_for_request(self) -> None:
        super().init_for_request()  # type: ignore[no-untyped-call]
        self.protocol.begin_request()  # type: ignore[attr-defined]

    async def read(self) -> bytes | None:
        """A part of the body; what stands where a chunk must end is checked, which Sanic skips."""
        if self.request_body == "chunked" and not self.request_bytes_left:  # type: ignore[comparison-overlap]
            while len(self.recv_buffer) < 2:
                await self._receive_more()
            if self.recv_buffer[:2] != b"\r\n":
                self.keep_alive = False
                raise sanic_exceptions.BadRequest("Bad chunked encoding")
        data: bytes | None = await super().read()
        return data

    def create_empty_request(self) -> None:
        """What an error in the head is reported of: without the URL, at which Sanic may fail once more."""
        self.url = None
        super().create_empty_request()

    @staticmethod
    def _safe_int(value: str, base: int = 10) -> int:
        """Digits only: int() takes spaces, "0x", and the digits of other scripts as well."""
        value = value.rstrip(" \t")
        if not _DIGITS[base].fullmatch(value):
            raise ValueError(value)
        return int(value, base)


class StrictRequest(Request):
    """A request whose head was looked at; Sanic makes it as soon as that is there."""

    def __init__(self, *, head: bytes = b"", **arguments: Any) -> None:
        """Without a head it stands for one that could not be read.

        Raises:
            BadRequest: the head is none of an HTTP/1 request.
        """
        if head and (not _HEAD.fullmatch(head) or len(_HOST.findall(head)) > 1):
            raise sanic_exceptions.BadRequest("Bad Request")
        super().__init__(head=head, **arguments)

    async def receive_body(self) -> None:
        """Into one buffer: to join all pieces at the end would hold up the event loop."""
        if not self.body:
            body = io.BytesIO()
            async for data in cast(_StrictHttp, self.stream):
                body.write(data)
            self.body = body.getvalue()


class GuardedProtocol(HttpProtocol):
    """One connection."""

    HTTP_CLASS = _StrictHttp
    __slots__ = ("_began", "_received", "_refused", "_requests")

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._began = time.monotonic()
        self._received = 0
        self._refused = False
        self._requests = 0

    def connection_made(self, transport: BaseTransport) -> None:
        if len(self.connections) >= MAX_CONNECTIONS and not self._make_room():
            transport.write(_FULL)  # type: ignore[attr-defined]
            transport.close()
            self._refused = True
            return
        super().connection_made(transport)  # type: ignore[no-untyped-call]

    def _make_room(self) -> bool:
        """Close the connection that has been without a request for the longest; False if all have one."""
        idle = [
            other for other in self.connections if other.http is not None and other.http.stage is Stage.IDLE
        ]
        if not idle:
            return False
        min(idle, key=lambda other: float(other._time)).abort()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.conn_info is None:
            return  # refused when it was made
        self._count(-self._received)
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def begin_request(self) -> None:
        """What was received so far belonged to the request before, but for what was sent ahead."""
        self._requests += 1
        self._began = time.monotonic()
        self._count(len(self.recv_buffer) - self._received)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            if self.conn_info is not None:
                super().data_received(data)  # read and thrown away until the connection ends
            return
        if self.http is not None and self.http.stage is Stage.IDLE and not self.recv_buffer:
            self._began = time.monotonic()
        self._count(len(data))
        super().data_received(data)
        limit = BODIES_IN_MEMORY * self.request_max_size
        if self.app.ctx.received_bytes > limit and self._reading_body():
            self._refuse(
                TooMany("The requests in work are too large together.", headers=retry_after(_RETRY_SECONDS))
            )

    def close_if_idle(self) -> bool:
        """Called when the service ends, which gives what is left two more seconds.

        Who has just connected may be sending a request, and gets to be told that the service is stopping.
        """
        if self._requests <= 1 and time.monotonic() - self._began < _FIRST_WORD_SECONDS:
            return False
        return super().close_if_idle()

    def _count(self, size: int) -> None:
        self._received += size
        self.app.ctx.received_bytes += size

    def check_timeouts(self) -> None:
        """Called once a connection is made, and then by itself every few seconds."""
        if not self._task or self.http is None:
            return
        seconds = time.monotonic() - self._began
        allowed = BODY_SECONDS + self._received / BODY_BYTES_PER_SECOND
        if (self.http.stage is Stage.REQUEST and seconds > HEAD_SECONDS) or (
            self._reading_body() and seconds > allowed
        ):
            self._refuse(sanic_exceptions.RequestTimeout("Request Timeout"))
            return
        super().check_timeouts()  # type: ignore[no-untyped-call]

    def _reading_body(self) -> bool:
        # Before its first request a connection has no such attribute.
        return bool(getattr(self.http, "request_body", None))

    def _refuse(self, error: Exception) -> None:
        """End the request with an error, and the connection soon after, whatever still comes."""
        if self._refused or not self._task:
            return
        self._refused = True
        self._count(-self._received)
        self.http.exception = error
        self._task.cancel()
        if self._callback_check_timeouts:
            self._callback_check_timeouts.cancel()
        self._callback_check_timeouts = self.loop.call_later(_LAST_WORD_SECONDS, self.abort)


def register(app: App) -> None:
    """Bound what the application's connections may cost."""
    app.ctx.received_bytes = 0
    # Heads are looked at every few seconds: Sanic takes half of the shortest of its time limits.
    app.config.REQUEST_TIMEOUT = 2 * _LOOK_EVERY_SECONDS
