"""The first image of a stream of images (MJPEG over HTTP: multipart/x-mixed-replace)."""

import re

_MAX_HEAD = 8192
# The boundary is read from the stream: what cameras name in Content-Type has two hyphens too many or too few.
_HEAD = re.compile(rb"\s*(--[^\r\n]+)\r?\n(.*?)\r?\n\r?\n", re.DOTALL)
_LENGTH = re.compile(rb"^content-length:\s*([0-9]{1,9})\s*$", re.IGNORECASE | re.MULTILINE)


class FirstPart:
    """Looks for the first part in a stream that grows."""

    def __init__(self) -> None:
        self._searched = 0

    def find(self, stream: bytearray) -> bytes | None:
        """The body of the first part, None while it is not whole."""
        head = _HEAD.match(stream, 0, _MAX_HEAD)
        if not head:
            return None
        if length := _LENGTH.search(head[2]):
            end = head.end() + int(length[1])
            return bytes(stream[head.end() : end]) if end <= len(stream) else None
        boundary = b"\n" + head[1]
        end = stream.find(boundary, max(head.end(), self._searched - len(boundary)))
        self._searched = len(stream)
        return bytes(stream[head.end() : end]) if end >= 0 else None
