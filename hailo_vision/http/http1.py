"""Sanic's HTTP/1.1, stricter where Sanic is too lenient, and with what it lacks.

Sanic reads some malformed requests differently than a proxy in front of it may (request smuggling, RFC 9112
section 11.2), refuses some that are valid, and does not decompress bodies.
"""

import asyncio
import io
import re
from contextlib import suppress
from typing import Any, cast

from sanic import Request
from sanic import exceptions as sanic_exceptions
from sanic.compat import Header
from sanic.headers import format_http1_response
from sanic.http import Http, Stage
from sanic.http.http1 import HTTP_CONTINUE

from hailo_vision.http.coding import check_coding, gunzip

# A request line and fields as RFC 9112 (2.2, 3, 5) writes them: no folded lines, no space before the
# colon, no lone CR or LF, no control characters.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELDS = re.compile(rb"(?:\r\n%b:[\t\x20-\x7e\x80-\xff]*)*" % _TOKEN)
_HEAD = re.compile(rb"%b [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]%b" % (_TOKEN, _FIELDS.pattern))
# A target that is a whole link, as clients of a proxy write it.
_ABSOLUTE = re.compile(rb"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#]+)", re.IGNORECASE)
_SEVERAL_SLASHES = re.compile(rb"/{2,}")
_SEVERAL_VERSIONS = re.compile(rb"^(?:/v1){2,}(?=/|$)")
# The end of what stands before a chunk, its size, and extensions, which are ignored.
_CHUNK_HEAD = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})[\t ]*(?:;[^\r\n]*)?\r\n")
_LONGEST_CHUNK_HEAD = 66
_LENGTH = re.compile(r"[0-9]{1,18}")
LAST_WORD_SECONDS = 5.0  # for a client that still sends, to read why it is refused
EMPTY_LINE = b"\r\n"


class StrictHttp(Http):
    """Sanic's reader and writer of HTTP/1.1 messages."""

    # Set by Sanic, whose own annotations are too narrow.
    request_body: Any  # "chunked", True, or None
    request_bytes: Any
    request_bytes_left: Any

    def init_for_request(self) -> None:
        """Old clients send an empty line after a body: it is not part of the next request (RFC 9112, 2.2)."""
        super().init_for_request()  # type: ignore[no-untyped-call]
        if self.recv_buffer.startswith(EMPTY_LINE):
            del self.recv_buffer[: len(EMPTY_LINE)]
        self.protocol.begin_request()  # type: ignore[attr-defined]

    async def read(self) -> bytes | None:
        """A part of the body, None at its end."""
        if self.expecting_continue:
            self.expecting_continue = False
            # Sanic would ask for a body that it is about to refuse.
            if self.request_bytes <= self.request_max_size:
                await self._send(HTTP_CONTINUE)
        if self.request_body == "chunked" and not self.request_bytes_left:
            self.request_bytes_left = size = await self._next_chunk()
            self.request_bytes += size
            if not size:
                await self._skip_trailers()
                self.request_body = None
                return None
        try:
            data: bytes | None = await super().read()
        except sanic_exceptions.PayloadTooLarge:
            if self.stage is Stage.IDLE:
                await self._let_it_be_read()
            raise
        return data

    async def _let_it_be_read(self) -> None:
        """Throw away what a client still sends after its response: most look for that only when they have
        sent all, and a connection that is closed earlier is reset (RFC 9112, 9.6)."""
        self.protocol.stop_counting()  # type: ignore[attr-defined]
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                while True:
                    self.recv_buffer.clear()
                    await self._receive_more()

    async def _next_chunk(self) -> int:
        """The size of the next chunk. The end of the one before is checked, which Sanic skips."""
        buffer = self.recv_buffer
        while (
            buffer.find(b"\r\n", 2) < 0
            and b"\r\n".startswith(bytes(buffer[:2]))
            and len(buffer) <= _LONGEST_CHUNK_HEAD
        ):
            await self._receive_more()
        head = _CHUNK_HEAD.match(buffer)
        if head is None or head.end() > _LONGEST_CHUNK_HEAD:
            raise self._bad_chunks()
        size = int(head[1], 16)
        # The line end stays if trailers may follow: it is also the begin of theirs.
        del buffer[: head.end() - (0 if size else 2)]
        return size

    async def _skip_trailers(self) -> None:
        """Check them as fields and ignore them (RFC 9112, 7.1.2); Sanic refuses them."""
        buffer = self.recv_buffer
        while (end := buffer.find(b"\r\n\r\n")) < 0 and len(buffer) <= self.HEADER_MAX_SIZE:
            await self._receive_more()
        if not 0 <= end <= self.HEADER_MAX_SIZE or not _FIELDS.fullmatch(buffer, 0, end):
            raise self._bad_chunks()
        del buffer[: end + 4]

    def _bad_chunks(self) -> sanic_exceptions.BadRequest:
        self.keep_alive = False
        return sanic_exceptions.BadRequest("Bad chunked encoding")

    async def http1_response_header(self, data: bytes, end_stream: bool) -> None:
        """HTTP/1.0 knows no chunks: there a stream ends with the connection (RFC 9112, 6.1 and 6.3)."""
        if self.expecting_continue:
            # Instead of 100: whether the client sends the body all the same is unknown (RFC 9110, 10.1.1).
            self.expecting_continue = self.keep_alive = False
        response = self.response
        has_length = end_stream or getattr(response, "body", None) or "content-length" in response.headers
        if self.request.version != "1.0" or has_length or self.head_only:
            await super().http1_response_header(data, end_stream)
            return
        self.keep_alive = False
        response.headers["connection"] = "close"
        self.stage = Stage.RESPONSE
        self.response_func = self._send_to_the_end
        await self._send(format_http1_response(response.status, response.processed_headers) + data)

    async def _send_to_the_end(self, data: bytes, end_stream: bool) -> None:
        await self._send(data)
        if end_stream:
            self.stage = Stage.IDLE
            self.response_func = None  # type: ignore[assignment]  # Sanic's own way to end a response

    def create_empty_request(self) -> None:
        """What an error in the head is reported for: without the URL, at which Sanic may fail again."""
        self.url = None
        super().create_empty_request()

    @staticmethod
    def _safe_int(value: str, base: int = 10) -> int:
        """Digits only: int() takes spaces, "_", and the digits of other scripts as well."""
        value = value.rstrip(" \t")
        if not _LENGTH.fullmatch(value):
            raise ValueError(value)
        return int(value, base)


class StrictRequest(Request):
    """A request whose head has been checked; Sanic makes it as soon as the head is there."""

    def __init__(
        self, *, url_bytes: bytes, headers: Header, version: str, head: bytes = b"", **more: Any
    ) -> None:
        """Without a head it stands for one that could not be read.

        Raises:
            BadRequest: the head is not that of an HTTP/1 request.
        """
        if head and (not _HEAD.fullmatch(head) or len(headers.getall("host", ())) > 1):
            raise sanic_exceptions.BadRequest("Bad Request")
        if version == "1.0":
            headers.popall("expect", None)  # to be ignored there: RFC 9110, 10.1.1
        if "transfer-encoding" in headers:
            if version == "1.0":
                raise sanic_exceptions.BadRequest("Bad Request")  # RFC 9112, 6.1: its framing is faulty
            # Sanic compares it literally.
            headers["transfer-encoding"] = headers["transfer-encoding"].strip(" \t").lower()
        if absolute := _ABSOLUTE.match(url_bytes):
            headers["host"] = absolute[1].decode("latin-1")  # it counts, not the field (RFC 9112, 3.2.2)
            url_bytes = b"/" + url_bytes[absolute.end() :]
        super().__init__(url_bytes=_tidy(url_bytes), headers=headers, version=version, head=head, **more)

    async def receive_body(self) -> None:
        """Into one buffer: to join all pieces at the end would hold up the event loop.

        Raises:
            PayloadTooLarge: it is larger than a body may be, once it is decompressed.
            HttpError: so are all bodies together.
        """
        stream = cast(StrictHttp, self.stream)
        compressed = check_coding(", ".join(self.headers.getall("content-encoding", ())))
        body = io.BytesIO()
        async for piece in gunzip(stream) if compressed else stream:
            body.write(piece)
            if compressed:
                if body.tell() > stream.request_max_size:
                    raise sanic_exceptions.PayloadTooLarge("Request body exceeds the size limit")
                stream.protocol.count_decompressed(len(piece))  # type: ignore[attr-defined]
        self.body = body.getvalue()


def _tidy(url: bytes) -> bytes:
    """The path without the slips of base URLs: a slash too many, /v1 twice."""
    if not url.startswith(b"/"):
        return url
    path, mark, query = url.partition(b"?")
    return _SEVERAL_VERSIONS.sub(b"/v1", _SEVERAL_SLASHES.sub(b"/", path)) + mark + query
