"""A service whose emulated NPU takes its time, what its journal tells, and clients that leave it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from support.server import Server

TOKEN_SECONDS = 0.05
# Short beside a token: the tests are about what happens while tokens come.
SLOW: dict[str, Any] = {
    "time_scale": 1.0,
    "timing": {
        "token": TOKEN_SECONDS,
        "vdevice_open": 0.01,
        "load": 0.1,
        "frame_encode": 0.02,
        "prefill_chunk": 0.02,
        "clear_context": 0.001,
        "tokenize": 0.001,
    },
}
LONG = {"role": "user", "content": "Describe the sea in detail, at length, everything."}


def generations(server: Server) -> list[tuple[str, bool | None]]:
    """What the NPU began and ended, in order: ("generate", None) and ("release", was it aborted)."""
    return [
        (entry["event"], entry.get("aborted"))
        for entry in server.journal()
        if entry["event"] in ("generate", "release")
    ]


ABORTED = [("generate", None), ("release", True)]
COMPLETE = [("generate", None), ("release", False)]


def begun(server: Server) -> int:
    return sum(event == "generate" for event, _ in generations(server))


def idle(server: Server) -> Callable[[], bool]:
    def is_idle() -> bool:
        queue = server.health()["queue"]
        return bool(queue["running"] == queue["waiting"] == 0)

    return is_idle


def client_of(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, timeout=30, verify=False)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        await asyncio.sleep(0.02)


async def leave(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], after: Callable[[], bool]
) -> None:
    """Ask, and close the connection once something has happened."""

    async def ask() -> None:
        async with client.stream("POST", path, json=body) as response:
            async for _ in response.aiter_raw():
                pass

    task = asyncio.create_task(ask())
    await until(after)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
