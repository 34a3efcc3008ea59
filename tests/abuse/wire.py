"""Requests as bytes on a connection, for what no HTTP client would send."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.server import MODEL, Server

HELLO = json.dumps(
    {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
).encode()
GET = b"GET /v1/models HTTP/1.1\r\nHost: pi\r\n\r\n"


def post(
    body: bytes = HELLO,
    *fields: str,
    path: str = "/v1/chat/completions",
    length: bool = True,
    version: str = "1.1",
) -> bytes:
    """A request, of a chat unless told otherwise, with further header fields."""
    lines = [f"POST {path} HTTP/{version}", "Host: pi", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


@contextmanager
def connected(server: Server, seconds: float = 15) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        yield connection


def drain(connection: socket.socket, idle: float = 15) -> bytes:
    """All that comes until the other side closes or is silent for so many seconds."""
    connection.settimeout(idle)
    answer = b""
    with suppress(ConnectionResetError, TimeoutError):
        while piece := connection.recv(65536):
            answer += piece
    return answer


def exchange(server: Server, *pieces: bytes) -> list[int]:
    """Send the pieces, each when the one before was read, and return the statuses of all responses."""
    with connected(server) as connection:
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                if len(pieces) > 1:
                    _until_read(connection)
        # A busy machine may need a while for the first one.
        with suppress(ConnectionResetError):
            first = connection.recv(65536)
            return statuses(first + drain(connection, idle=0.5))
        return []


def _until_read(connection: socket.socket) -> None:
    """Wait until the service has read all that was sent, or does not read any more."""
    ends = [f":{end[1]:04X}" for end in (connection.getpeername(), connection.getsockname())]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        unread = [row[4].partition(":")[2] for row in rows if [row[1][-5:], row[2][-5:]] == ends]
        if set(unread) <= {"00000000"}:
            return


def statuses(answer: bytes) -> list[int]:
    """The status of each response; bodies here hold no status lines."""
    return [int(rest[2:5]) for rest in answer.split(b"HTTP/1.")[1:]]
