"""Compressed request bodies (Content-Encoding, RFC 9110 section 8.4)."""

import asyncio
import zlib
from collections.abc import Callable

from hailo_vision.http.errors import HttpError

_GZIP = ("gzip", "x-gzip")
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS
# What is decompressed before other requests get their turn: less than a millisecond.
_STEP_BYTES = 256 * 1024
_MOST_MEMBERS = 1024  # empty ones cost time, and count for nothing in any other bound


def check_coding(given: str) -> bool:
    """Whether a body with this Content-Encoding has to be decompressed.

    Raises:
        HttpError: it is neither gzip nor plain.
    """
    coding = given.strip().lower()
    if coding not in ("", "identity", *_GZIP):
        message = f"Content-Encoding {given[:40]!r} is not supported; expected gzip or none."
        raise HttpError("unsupported_content_encoding", message, {"Accept-Encoding": "gzip"})
    return coding in _GZIP


class Gunzip:
    """Decompresses one body as it arrives.

    Attributes:
        take: called with each decompressed piece; what it raises ends the body.
    """

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self.take = take
        self._stream = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._members = 1

    async def feed(self, data: bytes) -> None:
        """Raises:
        HttpError: this is not gzip, or has too many members (RFC 1952, 2.2).
        """
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_WITH_GZIP_HEADER)
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    raise HttpError("bad_request", f"The gzip body has more than {_MOST_MEMBERS} members.")
            try:
                piece = self._stream.decompress(data, _STEP_BYTES)
            except zlib.error as error:
                raise HttpError("bad_request", "The body is not valid gzip.") from error
            self.take(piece)
            data = self._stream.unconsumed_tail or self._stream.unused_data
            await asyncio.sleep(0)

    def end(self) -> None:
        """Raises:
        HttpError: there should be more.
        """
        if not self._stream.eof:
            raise HttpError("bad_request", "The body ends before its gzip data does.")
