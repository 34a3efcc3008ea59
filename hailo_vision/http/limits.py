"""Limits for connections: how slow, how many, and how large together they may be.

Sanic bounds a request's size and how long nothing comes. It does not bound how slowly something comes or is
read, how many connections there are, nor what all their bodies hold together.
"""

import time
from asyncio import BaseTransport
from typing import Any

from sanic import exceptions as sanic_exceptions
from sanic.http import Stage
from sanic.server.protocols.http_protocol import HttpProtocol

from hailo_vision.http.errors import HttpError, retry_after
from hailo_vision.http.http1 import EMPTY_LINE, LAST_WORD_SECONDS, StrictHttp

MAX_CONNECTIONS = 512  # half of the descriptors that systemd gives a service
BODIES_IN_MEMORY = 4  # times max_body_bytes, over all requests together
HEAD_SECONDS = 20.0
# A body may take as long as a slow link needs, as in Apache's mod_reqtimeout.
BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 500
READ_SECONDS = 60.0  # in which a client must read some of what waits for it, as with nginx's send_timeout
LOOK_EVERY_SECONDS = 5.0
_FIRST_WORD_SECONDS = 1.0
_RETRY_SECONDS = 5.0

_FULL_BODY = (
    b'{"error":{"message":"Too many connections are open.","type":"rate_limit_error","param":null,'
    b'"code":"too_many_connections"}}'
)
_FULL = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_FULL_BODY), _FULL_BODY)
)
# How a client begins that was told https:// for a service without a certificate. Its bytes may never end a
# line, for which Sanic would wait; any bytes that are no TLS make it fail at once.
_TLS_HANDSHAKE = b"\x16\x03"
_NOT_TLS = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class GuardedProtocol(HttpProtocol):
    """One connection."""

    HTTP_CLASS = StrictHttp
    __slots__ = ("_began", "_decompressed", "_received", "_refused", "_requests", "_unread", "_unread_since")

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._began = time.monotonic()
        self._received = 0
        self._decompressed = 0
        self._refused = False
        self._requests = 0
        self._unread = 0  # bytes that wait for the client to read

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

    def abort(self) -> None:
        """Without Sanic's forgetting of the transport, at which it fails where half a head has come."""
        if self.transport:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.conn_info is None:
            return  # refused when it was made
        self._hold(0)
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def begin_request(self) -> None:
        """What was received so far belonged to the previous request, except for what was sent ahead."""
        self._requests += 1
        self._began = time.monotonic()
        self._hold(len(self.recv_buffer))

    def data_received(self, data: bytes) -> None:
        if self._refused:
            if self.conn_info is not None:
                super().data_received(data)  # read and thrown away until the connection ends
            return
        if not self._received and data.startswith(_TLS_HANDSHAKE):
            transport: Any = self.transport
            transport.write(_NOT_TLS)
            transport.close()
            return
        if self.http is not None and self.http.stage is Stage.IDLE and not self.recv_buffer:
            self._began = time.monotonic()
            # None of the request: see StrictHttp.init_for_request.
            data = data.removeprefix(EMPTY_LINE)
            if not data:
                return
        self._received += len(data)
        self.app.ctx.received_bytes += len(data)
        super().data_received(data)
        if self._too_much() and self._reading_body():
            self._refuse(_too_large_together())

    def count_decompressed(self, size: int) -> None:
        """Raises:
        HttpError: the bodies of all requests are too large together.
        """
        self._decompressed += size
        self.app.ctx.received_bytes += size
        if self._too_much():
            self._hold(0)
            raise _too_large_together()

    def _too_much(self) -> bool:
        return bool(self.app.ctx.received_bytes > BODIES_IN_MEMORY * self.request_max_size)

    def close_if_idle(self) -> bool:
        """Called when the service ends, which gives what is left two more seconds.

        A client that has just connected may be sending a request, and should be told that the service stops.
        """
        if self._requests <= 1 and time.monotonic() - self._began < _FIRST_WORD_SECONDS:
            return False
        return super().close_if_idle()

    def _hold(self, size: int) -> None:
        """Count so many bytes as held for this connection."""
        self.app.ctx.received_bytes += size - self._received - self._decompressed
        self._received, self._decompressed = size, 0

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
        transport: Any = self.transport
        unread = transport.get_write_buffer_size()
        if not unread or unread != self._unread:
            self._unread, self._unread_since = unread, time.monotonic()
        elif time.monotonic() - self._unread_since > READ_SECONDS:
            self.abort()
            return
        super().check_timeouts()  # type: ignore[no-untyped-call]

    def stop_counting(self) -> None:
        """What still comes is thrown away."""
        self._refused = True
        self._hold(0)

    def _reading_body(self) -> bool:
        # Before its first request a connection has no such attribute.
        return bool(getattr(self.http, "request_body", None))

    def _refuse(self, error: Exception) -> None:
        """End the request with an error, and the connection soon after, whatever still comes."""
        if self._refused or not self._task:
            return
        self.stop_counting()
        self.http.exception = error
        self._task.cancel()
        if self._callback_check_timeouts:
            self._callback_check_timeouts.cancel()
        self._callback_check_timeouts = self.loop.call_later(LAST_WORD_SECONDS, self.abort)


def _too_large_together() -> HttpError:
    message = "The requests being served are too large together."
    return HttpError("too_many_requests", message, retry_after(_RETRY_SECONDS))
