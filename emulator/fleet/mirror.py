"""The mirror: an HTTP server on the bridge with what real Pis fetch from the internet.

Static files with byte ranges (a model of 2 GB is resumed, not begun again), and git's smart protocol for the
repositories among them.
"""

import http.server
import os
import re
import subprocess
import urllib.parse
from http import HTTPStatus
from pathlib import Path

from emulator.fleet import process
from emulator.fleet.layout import MIRROR_PORT, Layout
from emulator.fleet.process import Process

_BLOCK = 1 << 18
_GIT = re.compile(r"/(?P<repository>[\w-]+\.git)/(?P<service>info/refs|git-upload-pack)")


def process_file(layout: Layout) -> Path:
    """Where the server registers."""
    return layout.processes / "mirror.json"


def ensure(layout: Layout, folder: Path, restart: bool) -> Process:
    """Start the server unless it runs; with ``restart`` also if it does.

    Raises:
        FleetError: it ended at once, for example because the port is taken.
    """
    running = process.registered(process_file(layout))
    if running is not None and not restart:
        return running
    stop(layout)
    arguments = [*layout.options, "mirror", str(folder)]
    return process.start(arguments, process_file(layout), layout.directory / "mirror.log")


def stop(layout: Layout) -> None:
    """End the server, if it runs."""
    if (running := process.registered(process_file(layout))) is not None:
        running.stop()


def serve(layout: Layout, folder: Path) -> None:
    """Serve a folder until SIGTERM.  Runs in a process of its own.

    Raises:
        OSError: the address cannot be bound.
    """
    with Server((str(layout.gateway), MIRROR_PORT), folder) as server:
        process.register(process_file(layout))
        server.serve_forever()


class Server(http.server.ThreadingHTTPServer):
    """Serves one folder."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], folder: Path) -> None:
        self.folder = folder.resolve()
        super().__init__(address, _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        if match := _GIT.fullmatch(self._path()):
            self._run_git(match["repository"], match["service"])
        else:
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _answer(self, *, with_body: bool) -> None:
        if match := _GIT.fullmatch(self._path()):
            self._run_git(match["repository"], match["service"])
            return
        file = (self.server.folder / urllib.parse.unquote(self._path()).lstrip("/")).resolve()
        if not file.is_relative_to(self.server.folder) or not file.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._send_file(file, with_body)

    def _send_file(self, file: Path, with_body: bool) -> None:
        size = file.stat().st_size
        wanted = _range(self.headers.get("Range"), size)
        if wanted is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, last = wanted
        partial = (first, last) != (0, size - 1)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Last-Modified", self.date_time_string(int(file.stat().st_mtime)))
        self.end_headers()
        if with_body:
            self._copy(file, first, last - first + 1)

    def _copy(self, file: Path, start: int, length: int) -> None:
        with file.open("rb") as source:
            source.seek(start)
            while length > 0 and (block := source.read(min(length, _BLOCK))):
                self.wfile.write(block)
                length -= len(block)

    def _run_git(self, repository: str, service: str) -> None:
        """Hand the request to ``git http-backend`` (RFC 3875: a CGI program)."""
        length = int(self.headers.get("Content-Length") or 0)
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": f"/{repository}/{service}",
            "QUERY_STRING": self.path.partition("?")[2],
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
        }
        result = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(length),
            env=environment,
            capture_output=True,
            check=False,
        )
        head, _, body = result.stdout.partition(b"\r\n\r\n")
        fields = [line.partition(": ") for line in head.decode("latin-1").split("\r\n") if line]
        status = next((int(value.split()[0]) for name, _, value in fields if name == "Status"), HTTPStatus.OK)
        self.send_response(status)
        for name, _, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and last byte that a Range header asks for (RFC 9110, 14.1.2, single ranges).

    Returns:
        the whole file for no header or one that is not understood; None if nothing of the range exists.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").strip())
    if match is None or match[0] == "bytes=-":
        return 0, size - 1
    if not match[1]:
        length = min(int(match[2]), size)
        return (size - length, size - 1) if length else None
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    return (first, last) if first <= last else None
