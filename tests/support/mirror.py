"""A mirror of models, with Range and If-Range, that misbehaves as asked and counts its clients."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = bytes.fromhex("01484546") + b"\nsdk-version: 5.1.1\n" + bytes(range(256)) * 12000

_BLOCK = 1 << 16


@dataclass
class Mirror:
    """What the server sends and what it was asked.

    Attributes:
        cut: how many bytes each of the next answers sends before it hangs up.
        pause: seconds of silence after each 64 KB.
        asked: method and Range header of each request.
        sending, most_at_once: how many answers are being sent, and were at most.
    """

    url: str = ""
    content: bytes = MODEL
    etag: str = '"one"'
    status: int = 0
    cut: list[int] = field(default_factory=list)
    pause: float = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    sending: int = 0
    most_at_once: int = 0


@contextmanager
def serve(address: str = "127.0.0.1") -> Iterator[Mirror]:
    """A running mirror."""
    state = Mirror()
    counting = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(send=True)

        def do_HEAD(self) -> None:
            self.answer(send=False)

        def answer(self, send: bool) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append((self.command, wanted))
            content = state.content
            start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
            if self.headers.get("If-Range", state.etag) != state.etag:
                start = 0
            self.send_response(state.status or (206 if start else 200))
            self.send_header("ETag", state.etag)
            self.send_header("Accept-Ranges", "bytes")
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if send:
                self.count(1)
                try:
                    self.copy(content[start : start + state.cut.pop(0)] if state.cut else content[start:])
                finally:
                    self.count(-1)

        def count(self, change: int) -> None:
            with counting:
                state.sending += change
                state.most_at_once = max(state.most_at_once, state.sending)

        def copy(self, content: bytes) -> None:
            for first in range(0, len(content), _BLOCK):
                self.wfile.write(content[first : first + _BLOCK])
                time.sleep(state.pause)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is what some tests want."""

    server = Server((address, 0), Handler)
    state.url = f"http://{address}:{server.server_port}/v5.1.1/blob/model.hef"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
