"""Requests as bytes on a connection, for what no HTTP client would send."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.server import MODEL, Server

HELLO = json.dumps(
    {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
).encode()
GET = b"GET /v1/models HTTP/1.1\r\nHost: pi\r\n\r\n"


def post(body: bytes = HELLO, *fields: str, length: bool = True, version: str = "1.1") -> bytes:
    """A chat request with further header fields."""
    lines = [f"POST /v1/chat/completions HTTP/{version}", "Host: pi", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


@contextmanager
def connected(server: Server, seconds: float = 15) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a piece that is sent comes as one
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
    """Send the pieces and return the statuses of all responses."""
    with connected(server) as connection:
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
        # A busy machine may need a while for the first one.
        with suppress(ConnectionResetError):
            first = connection.recv(65536)
            return statuses(first + drain(connection, idle=0.5))
        return []


def statuses(answer: bytes) -> list[int]:
    """The status of each response; bodies here hold no status lines."""
    return [int(rest[2:5]) for rest in answer.split(b"HTTP/1.")[1:]]
