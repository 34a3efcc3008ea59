"""The wall clock is set, forwards and backwards, under a service at work: a Pi has no clock of its own until
it has found a time server."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.clock import Clock
from support.server import Server
from support.slow import LONG, SLOW

from tests.abuse.wire import HELLO, connected, post, statuses

MONTH = 30 * 24 * 3600
TOKEN_SECONDS = 0.4
REQUEST_SECONDS, STALL_SECONDS, IDLE_SECONDS = 5.0, 4.0, 2.0
LATE = 30  # a month is later, and a busy machine is not


def slow_body(server: Server) -> list[int]:
    """A body that takes longer than the time between two looks at the connections."""
    with connected(server) as connection:
        connection.sendall(post(b"", f"Content-Length: {len(HELLO) + 28}", length=False) + HELLO)
        for _ in range(28):
            time.sleep(0.25)
            connection.sendall(b" ")
        return statuses(connection.recv(65536))


@pytest.mark.parametrize("step", [MONTH, -MONTH], ids=["forwards", "backwards"])
def test_a_clock_that_jumps_ends_nothing_early_and_nothing_late(
    step: int, make_server: Callable[..., Server], tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    server = make_server(
        config={
            "server": {"request_timeout": REQUEST_SECONDS, "queue_size": 1},
            "npu": {"stall_timeout": STALL_SECONDS},
            "model": {"client_keep_alive": "any"},
        },
        emulator={**SLOW, "timing": {**SLOW["timing"], "token": TOKEN_SECONDS}},
    )
    server.extra_environment = clock.environment
    server.start()
    with ThreadPoolExecutor(5) as clients, clock.jumping(step):
        slow = clients.submit(slow_body, server)
        begun = time.monotonic()
        text = server.chat(LONG, max_tokens=int(1.5 / TOKEN_SECONDS), stream=True).text
        chunks = [json.loads(line[6:]) for line in text.split("\n\n") if line[6:7] == "{"]
        assert chunks[-1]["choices"][0]["finish_reason"] == "length"
        assert len({chunk["created"] for chunk in chunks}) == 1
        assert server.health()["loads"] == 1

        asked = time.monotonic()
        late = [clients.submit(server.chat, LONG, max_tokens=100) for _ in range(4)]
        answers = [answer.result() for answer in late]
        assert {answer.status_code for answer in answers} == {429, 504}
        assert REQUEST_SECONDS - 0.2 < time.monotonic() - asked < REQUEST_SECONDS + LATE
        refused = [answer for answer in answers if answer.status_code == 429]
        assert all(1 <= int(answer.headers["retry-after"]) < 60 for answer in refused)

        server.wait_for(lambda: server.health()["state"] == "ready")
        server.inject(read_hang_after_tokens=2, times={"read_hang_after_tokens": 1})
        assert server.chat(LONG).status_code in (503, 504)
        server.wait_for(lambda: server.health()["loads"] == 2)
        assert server.answer(LONG, max_tokens=2, keep_alive=IDLE_SECONDS)
        idle = time.monotonic()
        server.wait_for(lambda: server.health()["state"] == "unloaded")
        assert IDLE_SECONDS - 0.5 < time.monotonic() - idle < IDLE_SECONDS + LATE
        assert slow.result() in ([200], [429], [503], [504])
        assert 0 < server.health()["uptime_seconds"] < time.monotonic() - begun + 60
    server.wait_for(lambda: server.chat(LONG, max_tokens=1).status_code == 200)
    assert abs(server.chat(LONG, max_tokens=1).json()["created"] - time.time() - clock.offset) < 10
    assert "Traceback" not in server.log()
