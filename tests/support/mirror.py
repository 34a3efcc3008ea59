"""A mirror of models, with Range and If-Range, that misbehaves as asked and counts its clients."""

import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def hef(body: bytes) -> bytes:
    """A file with the header of a HEF of format 3 that announces its length."""
    return struct.pack(">IIIQQIQ16x", 0x01484546, 3, len(body), 0, 0, 0, 0) + body


MODEL = hef(b"\nsdk-version: 5.1.1\n" + bytes(range(256)) * 12000)

_BLOCK = 1 << 16


@dataclass
class Mirror:
    """What the server sends and what it was asked.

    Attributes:
        ranges: whether it knows byte ranges.
        cut: how many bytes each of the next answers sends before it hangs up; not of one about the beginning.
        pause: seconds of silence after each 64 KB.
        asked: the Range header of each request.
        sending, most_at_once: how many answers are being sent, and were at most.
    """

    url: str = ""
    content: bytes = MODEL
    etag: str = '"one"'
    status: int = 0
    ranges: bool = True
    cut: list[int] = field(default_factory=list)
    pause: float = 0
    asked: list[str] = field(default_factory=list)
    sending: int = 0
    most_at_once: int = 0


@contextmanager
def serve(address: str = "127.0.0.1", port: int = 0) -> Iterator[Mirror]:
    """A running mirror."""
    state = Mirror()
    counting = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append(wanted)
            content = state.content
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first or 0), min(int(last or len(content)), len(content) - 1) + 1
            ranged = (
                bool(wanted and content)
                and state.ranges
                and self.headers.get("If-Range", state.etag) == state.etag
            )
            if not ranged:
                start, end = 0, len(content)
            self.send_response(state.status or (206 if ranged else 200))
            self.send_header("ETag", state.etag)
            if ranged:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            transfer = 0 if last else 1  # a bounded range is a look at the header
            self.count(transfer)
            try:
                whole = bool(last) or not state.cut
                self.copy(content[start:end] if whole else content[start : start + state.cut.pop(0)])
            finally:
                self.count(-transfer)

        def count(self, change: int) -> None:
            with counting:
                state.sending += change
                state.most_at_once = max(state.most_at_once, state.sending)

        def copy(self, content: bytes) -> None:
            for first in range(0, len(content), _BLOCK):
                time.sleep(state.pause)
                self.wfile.write(content[first : first + _BLOCK])

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is what some tests want."""

    server = Server((address, port), Handler)
    state.url = f"http://{address}:{server.server_port}/v5.1.1/blob/model.hef"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
