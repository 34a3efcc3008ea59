"""The least that a Sanic server can do: stream given bytes, echo JSON, take a body, say that it lives.

python -m tests.bench.bare_sanic PORT EVENTS       EVENTS: a file of server-sent events

GET /stream sends all events; POST /echo answers with its body, POST /take with its body's size.
"""

import sys
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import json


def main(port: int, events_file: Path) -> None:
    app: Sanic[Any, Any] = Sanic("bare", configure_logging=False)
    events = [event + b"\n\n" for event in events_file.read_bytes().split(b"\n\n") if event]

    async def stream(request: Request) -> None:
        response = await request.respond(content_type="text/event-stream; charset=utf-8")
        for event in events:
            await response.send(event)
        await response.eof()

    async def echo(request: Request) -> HTTPResponse:
        return json(request.json)

    async def take(request: Request) -> HTTPResponse:
        return json(len(request.body))

    async def health(request: Request) -> HTTPResponse:
        return json({})

    app.config.REQUEST_MAX_SIZE = 1 << 26
    app.add_route(health, "/health")
    app.add_route(take, "/take", methods=["POST"])
    app.add_route(stream, "/stream")
    app.add_route(echo, "/echo", methods=["POST"])
    app.run("127.0.0.1", port, single_process=True, motd=False, access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
