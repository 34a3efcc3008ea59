"""Compressed request bodies (Content-Encoding, RFC 9110 section 8.4)."""

import asyncio
import zlib
from collections.abc import AsyncIterable, AsyncIterator

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


async def gunzip(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Decompress a body as it arrives.

    Raises:
        HttpError: this is not gzip, ends too early, or has too many members (RFC 1952, 2.2).
    """
    stream, members = zlib.decompressobj(_WITH_GZIP_HEADER), 1
    async for data in body:
        while data:
            if stream.eof:
                stream, members = zlib.decompressobj(_WITH_GZIP_HEADER), members + 1
            if members > _MOST_MEMBERS:
                raise HttpError("bad_request", f"The gzip body has more than {_MOST_MEMBERS} members.")
            try:
                piece = stream.decompress(data, _STEP_BYTES)
            except zlib.error as error:
                raise HttpError("bad_request", "The body is not valid gzip.") from error
            yield piece
            data = stream.unconsumed_tail or stream.unused_data
            await asyncio.sleep(0)
    if not stream.eof:
        raise HttpError("bad_request", "The body ends before its gzip data does.")
