"""The least that a Sanic server can do that gets what it sends from a second process, one piece at a time.

    python -m tests.bench.bare_relay PORT EVENTS       EVENTS: a file of server-sent events

GET /stream and POST /echo are those of bare_sanic; an echo asks the second process for one event.
"""

import asyncio
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import json

PACE_SECONDS = 0.006  # a twentieth of what the chip takes for a token: each event comes by itself


class Pieces(asyncio.Protocol):
    """The server's end of the socket: every line becomes an item of the queue."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self.queue.put_nowait(line)


def produce(connection: socket.socket, events: list[bytes]) -> None:
    """The second process: for each line with a number, so many events and an empty line."""
    for line in connection.makefile("rb"):
        for number, event in enumerate(events[-int(line) :]):
            time.sleep(PACE_SECONDS if number else 0)
            connection.sendall(event + b"\n")
        connection.sendall(b"\n")


def main(port: int, events_file: Path) -> None:
    events = [event for event in events_file.read_bytes().split(b"\n\n") if event]
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        produce(theirs, events)
        return
    theirs.close()
    app: Sanic[Any, Any] = Sanic("relay", configure_logging=False)

    async def connect(app: Sanic[Any, Any]) -> None:
        _, app.ctx.pieces = await asyncio.get_running_loop().create_connection(Pieces, sock=ours)

    async def stream(request: Request) -> None:
        pieces = request.app.ctx.pieces
        response = await request.respond(content_type="text/event-stream; charset=utf-8")
        pieces.transport.write(b"%d\n" % len(events))
        while event := await pieces.queue.get():
            await response.send(event + b"\n\n")
        await response.eof()

    async def echo(request: Request) -> HTTPResponse:
        pieces = request.app.ctx.pieces
        pieces.transport.write(b"1\n")
        while await pieces.queue.get():
            pass
        return json(request.json)

    app.before_server_start(connect)
    app.add_route(stream, "/stream")
    app.add_route(echo, "/echo", methods=["POST"])
    app.run("127.0.0.1", port, single_process=True, motd=False, access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
