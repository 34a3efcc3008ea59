"""A Pi whose service is stopped and started while clients ask."""

import asyncio
import random
import time
from collections import Counter

from tests.abuse.clients import Client
from tests.deploy.conftest import Pi

KINDS = ("text", "stream", "chat", "stream", "batch", "leaver", "photo", "text")
TERM = "systemctl kill --signal=TERM --kill-whom=main hailo-vision.service"
RESTART = "systemctl reset-failed hailo-vision.service; systemctl restart hailo-vision.service"


async def ask_meanwhile(pi: Pi, commands: list[str]) -> Counter[str]:
    """Run commands on a Pi, each while eight clients ask; what these got."""
    outcomes: Counter[str] = Counter()
    clients = [
        Client(kind, random.Random(number), outcomes, allowed=(200, 429, 503), cuts=True)
        for number, kind in enumerate(KINDS)
    ]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run(pi))
        for command in commands:
            await asyncio.sleep(1.5)
            await asyncio.to_thread(pi.run, command)
            await asyncio.to_thread(pi.wait_ready)
        for client in clients:
            client.stop_at = time.monotonic() + 1
    return outcomes


def test_a_restart_under_load_refuses_no_connection_and_cuts_no_answer_short(pi: Pi) -> None:
    """The socket unit holds the port: who comes meanwhile waits, and an answer that was begun is ended."""
    stop = f"{TERM}; sleep 1; systemctl start hailo-vision.service"
    outcomes = asyncio.run(ask_meanwhile(pi, [RESTART, stop, RESTART]))
    assert not [name for name in outcomes if name.startswith("bad") or "ConnectError" in name], outcomes
    assert {"text 200", "stream 200"} <= set(outcomes)
    assert pi.ask("coffee.jpg")
