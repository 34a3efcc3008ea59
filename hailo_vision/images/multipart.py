"""The first image of a stream of images (MJPEG over HTTP: multipart/x-mixed-replace)."""

import re

_MAX_HEAD = 8192
# The boundary is read from the stream: what cameras name in Content-Type has two hyphens too many or too few.
_HEAD = re.compile(rb"\s*(--[^\r\n]+)\r?\n(.*?)\r?\n\r?\n", re.DOTALL)
_LENGTH = re.compile(rb"^content-length:\s*([0-9]{1,9})\s*$", re.IGNORECASE | re.MULTILINE)


class FirstPart:
    """Takes a stream's bytes until its first part is whole.

    Attributes:
        body: the part's bytes; None until it is whole.
    """

    def __init__(self) -> None:
        self.body: bytes | None = None
        self._stream = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            ValueError: this is no such stream.
        """
        self._stream += chunk
        head = _HEAD.match(self._stream, 0, _MAX_HEAD)
        if not head:
            if len(self._stream) >= _MAX_HEAD:
                raise ValueError("no head of a part")
            return
        boundary = b"\n" + head[1]
        if length := _LENGTH.search(head[2]):
            end = head.end() + int(length[1])
            end = end if end <= len(self._stream) else -1
        else:
            end = self._stream.find(boundary, max(head.end(), self._searched - len(boundary)))
            self._searched = len(self._stream)
        if end >= 0:
            self.body = bytes(self._stream[head.end() : end])
