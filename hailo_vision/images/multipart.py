"""The first image of a stream of images (MJPEG over HTTP: multipart/x-mixed-replace)."""

import re

_MAX_HEAD = 8192
# The boundary is read from the stream: what cameras name in Content-Type has two hyphens too many or too few.
_HEAD = re.compile(rb"\s*(--[^\r\n]+)\r?\n(.*?)\r?\n\r?\n", re.DOTALL)
_LENGTH = re.compile(rb"^content-length:\s*([0-9]{1,9})\s*$", re.IGNORECASE | re.MULTILINE)


def first_part(stream: bytearray, new: int) -> bytes | None:
    """The body of the first part of a stream that grows, None while it is not whole.

    Args:
        new: how many bytes have come since the last call: no others are searched.
    """
    head = _HEAD.match(stream, 0, _MAX_HEAD)
    if not head:
        return None
    if length := _LENGTH.search(head[2]):
        end = head.end() + int(length[1])
        return bytes(stream[head.end() : end]) if end <= len(stream) else None
    boundary = b"\n" + head[1]
    end = stream.find(boundary, max(head.end(), len(stream) - new - len(boundary)))
    return bytes(stream[head.end() : end]) if end >= 0 else None
