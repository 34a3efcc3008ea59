"""Faults at random while clients ask: `make chaos`, or

    python -m tests.abuse.chaos --rounds 40 --seed 1

Each round does one thing to the service under load and waits until it answers again, or until it says in
/health why it can't. The report has the longest time each fault took; the exit status is 1 if a client got
half an answer, or the service did not come back within RECOVERY_SECONDS.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from support.clock import LIBRARY, Clock
from support.memory import starved
from support.server import MODEL, Server

from tests.abuse.clients import Client
from tests.abuse.report import verdict

RECOVERY_SECONDS = 30.0
STALL_SECONDS = 2.0
_RESTART_SECONDS = 0.5
# What a client may get while things break; 0 is a connection that was cut.
_ALLOWED = (200, 429, 503, 504)
_CONFIG: dict[str, Any] = {
    "npu": {"stall_timeout": STALL_SECONDS},
    "server": {"shutdown_timeout": 3.0, "request_timeout": 60.0},
}
_EMULATOR: dict[str, Any] = {"time_scale": 0.05}


class Supervisor:
    """Keeps a front process running on a socket that outlives it, as the units of the deployment do."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.listener = server.listener = socket.create_server(("127.0.0.1", server.port), backlog=256)
        self._stopping = False
        self.hung_since: float | None = None

    async def run(self) -> None:
        """Start it, and start it again whenever it ends; kill one that hangs, as the watchdog does."""
        while not self._stopping:
            await asyncio.to_thread(self.server.start, wait=False)
            process = self.server.process
            assert process
            while process.poll() is None and not self._stopping:
                if self.hung_since and time.monotonic() - self.hung_since > STALL_SECONDS:
                    self.hung_since = None
                    process.kill()
                await asyncio.sleep(0.05)
            await asyncio.sleep(_RESTART_SECONDS)

    def stop(self) -> None:
        self._stopping = True

    @property
    def front(self) -> int:
        assert self.server.process
        return self.server.process.pid


class Chaos:
    """The faults; each returns when it has been done and undone."""

    def __init__(self, supervisor: Supervisor, chance: random.Random, clock: Clock | None) -> None:
        self.supervisor = supervisor
        self.server = supervisor.server
        self.chance = chance
        self.clock = clock

    async def kill_front(self) -> None:
        os.kill(self.supervisor.front, signal.SIGKILL)

    async def kill_npu(self) -> None:
        with suppress(ProcessLookupError, TypeError, httpx.TransportError):
            os.kill(await self._npu(), signal.SIGKILL)

    async def starve_npu(self) -> None:
        """The kernel ends it for want of memory, in the middle of what it does."""
        with suppress(ProcessLookupError, TypeError, httpx.TransportError):
            pid = await self._npu()
            with starved(pid):
                while Path(f"/proc/{pid}").exists():
                    await asyncio.sleep(0.05)

    async def stop_front(self) -> None:
        os.kill(self.supervisor.front, signal.SIGTERM)

    async def hang_front(self) -> None:
        os.kill(self.supervisor.front, signal.SIGSTOP)
        self.supervisor.hung_since = time.monotonic()

    async def hang_npu(self) -> None:
        with suppress(ProcessLookupError, TypeError, httpx.TransportError):
            os.kill(await self._npu(), signal.SIGSTOP)

    async def fault(self) -> None:
        """One of the emulator's, that strikes once."""
        name, value = self.chance.choice(
            [
                ("crash_after_tokens", 2), ("read_hang_after_tokens", 2), ("stall_after_tokens", 1),
                ("decode_fails_after_tokens", 2), ("encoder_status", 8), ("poison", True),
                ("generate_hang", True), ("crash_in_load", True), ("load_status", 71), ("load_status", 62),
                ("device_busy", True), ("vdevice_status", 89), ("open_loses_wakeup", True),
                ("release_loses_wakeup", True), ("abort_in_release", True),
            ]
        )  # fmt: skip
        self.server.inject(**{name: value}, times={name: 1})
        await asyncio.sleep(1.5)
        self.server.inject()

    async def lose_link(self) -> None:
        self.server.inject(link_lost_after_tokens=2, link_recovers=True, times={"link_lost_after_tokens": 1})
        await asyncio.sleep(1.0)
        self.server.inject()

    async def remove_device(self) -> None:
        node = self.server.directory / "hailo0"
        node.unlink()
        await self.kill_npu()
        await asyncio.sleep(1.5)
        node.touch()

    async def fill_disk(self) -> None:
        """Nothing can be written where the service may write; its own state needs nothing to be."""
        with filled(self.server.directory):
            await self.kill_npu()
            await asyncio.sleep(1.5)

    async def jump_clock(self) -> None:
        """The wall clock is set, a year forwards or backwards from what it really is."""
        assert self.clock
        self.clock.jump(self.chance.choice([-1, 1]) * 365 * 24 * 3600)
        await asyncio.sleep(1.5)

    async def _npu(self) -> int:
        async with httpx.AsyncClient(base_url=self.server.url, timeout=5) as http:
            return int((await http.get("/health")).json()["npu_pid"])

    def all(self) -> list[str]:
        """Those that this machine has the means for."""
        names = ["kill_front", "kill_npu", "stop_front", "hang_front", "hang_npu", "fault", "lose_link"]
        names += ["remove_device", *(["fill_disk", "starve_npu"] if os.geteuid() == 0 else [])]
        return [*names, *(["jump_clock"] if self.clock else [])]


@contextmanager
def filled(directory: Path, free_bytes: int = 0) -> Iterator[None]:
    """The file system of a directory without more free bytes; only ever a small one of the test's own."""
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
    assert free < 64 * 2**20, "this is not the test's own file system"
    stuffing = directory / "stuffing"
    with suppress(OSError), stuffing.open("wb") as file:
        while True:
            file.write(bytes(65536))
    if free_bytes:
        os.truncate(stuffing, stuffing.stat().st_size - free_bytes)
    try:
        yield
    finally:
        stuffing.unlink()


async def recovered(server: Server, patience: float) -> float:
    """Seconds until a question is answered; raises TimeoutError if it takes too long."""
    started = time.monotonic()
    # Who gives up on a busy machine loses its place in the queue.
    async with httpx.AsyncClient(base_url=server.url, timeout=patience) as http:
        while time.monotonic() - started < patience:
            with suppress(httpx.TransportError, json.JSONDecodeError):
                if (await http.get("/health/ready")).status_code == 200:
                    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
                    answer = await http.post("/v1/chat/completions", json={**body, "max_tokens": 2})
                    if answer.status_code == 200:
                        return time.monotonic() - started
            await asyncio.sleep(0.1)
    raise TimeoutError


async def _ask_for_ever(server: Server, clients: list[Client]) -> None:
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run(server))


async def chaos(
    directory: Path,
    rounds: int,
    seed: int,
    kinds: list[str] | None = None,
    patience: float = RECOVERY_SECONDS,
) -> dict[str, Any]:
    """So many rounds; what clients got, and how long the service was away after each kind of fault.

    Args:
        kinds: the faults in their order; by default any.
        patience: seconds after which a service that does not answer is stuck.
    """
    server = Server(directory, config=_CONFIG, emulator=_EMULATOR)
    supervisor = Supervisor(server)
    chance = random.Random(seed)
    clock = Clock(directory) if LIBRARY else None
    server.extra_environment = clock.environment if clock else {}
    makers = Chaos(supervisor, chance, clock)
    outcomes: Counter[str] = Counter()
    clients = [
        Client(kind, random.Random(seed + number), outcomes, allowed=_ALLOWED, cuts=True)
        for number, kind in enumerate(("text", "stream", "chat", "stream", "batch", "leaver"))
    ]
    runner = asyncio.create_task(supervisor.run())
    longest: dict[str, float] = {}
    stuck = []
    try:
        await recovered(server, patience)
        asking = asyncio.create_task(_ask_for_ever(server, clients))
        for number in range(rounds):
            name = kinds[number] if kinds else chance.choice(makers.all())
            await asyncio.sleep(chance.uniform(0, 0.5))
            await getattr(makers, name)()
            try:
                seconds = await recovered(server, patience)
            except TimeoutError:
                stuck.append(f"{name}: {server.log()[-2000:]}")
                break
            longest[name] = round(max(longest.get(name, 0.0), seconds), 2)
            print(f"{name}: {seconds:.1f} s", file=sys.stderr)
        for client in clients:
            client.stop_at = 0.0
        await asyncio.wait_for(asking, 90)
    finally:
        supervisor.stop()
        await runner
        supervisor.listener.close()
        server.close()
    return {
        "rounds": rounds,
        "seed": seed,
        "kinds": makers.all(),
        "outcomes": dict(sorted(outcomes.items())),
        "longest_seconds": longest,
        "stuck": stuck,
        "unforeseen": server.log().count("failed unexpectedly"),
    }


def complaints(report: dict[str, Any]) -> list[str]:
    """What must not have happened."""
    bad = [f"{name}: {count}" for name, count in report["outcomes"].items() if name.startswith("bad")]
    unforeseen = [f"{report['unforeseen']} unforeseen failures in the log"] if report["unforeseen"] else []
    return [*bad, *report["stuck"], *unforeseen]


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of 48 MB, if this user may mount one; else just a folder."""
    place = directory / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        yield place / "run"
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48M", "chaos", place], check=True)
    try:
        yield place / "run"
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, small_disk(Path(directory)) as place:
        return verdict(lambda: asyncio.run(chaos(place, options.rounds, options.seed)), complaints)


if __name__ == "__main__":
    sys.exit(main())
