"""Many clients of every kind at once, and what they leave behind: `make soak`, or

    python -m tests.abuse.soak --requests 20000 --seconds 60

Two parts on one machine: `seconds` of 64 mixed clients on an NPU that takes its time, then `requests`
requests on one that takes none. The report is printed as JSON; the exit status is 1 if a bound is broken, 2
if the run was ended before.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from support.pictures import plain, user
from support.server import Server

from tests.abuse.clients import KINDS, Client, Journey
from tests.abuse.report import verdict

CLIENTS = 64
# The chip's own times for a short answer: what lies between two of them then tells what it would there.
TIMING = {"vdevice_open": 0.01, "load": 0.1}
HEALTH_P99_SECONDS = 0.05
IDLE_SHARE = 0.02
# Python keeps a little of what it had; a leak of one small object a request is more than this.
_JITTER_SECONDS = 4.0  # between a request's sending and its arrival, on a busy machine
GROWTH_BYTES = 12 * 1024 * 1024
_COUNTED_CLIENTS = 16
_STEP_REQUESTS = 2000

_TASKS_TOLD = """
import asyncio, os, signal
def tell(*_):
    open(os.environ["TASKS_FILE"], "w").write(str(len(asyncio.all_tasks())))
signal.signal(signal.SIGUSR1, tell)
"""

# A process of its own: what it measures must not be how busy the clients' process is.
_WATCH = """
import http.client, signal, sys, time
signal.signal(signal.SIGTERM, signal.default_int_handler)
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
times = []
try:
    while True:
        started = time.perf_counter()
        connection.request("GET", "/health")
        assert connection.getresponse().read()
        times.append(time.perf_counter() - started)
        time.sleep(0.02)
except KeyboardInterrupt:
    print(*times)
"""


def make_server(directory: Path, scale: float, queue_size: int) -> Server:
    """A service that tells on SIGUSR1 how many tasks its loop has."""
    server = Server(
        directory,
        config={"server": {"queue_size": queue_size}},
        emulator={"time_scale": scale, "timing": TIMING},
    )
    hook = directory / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(_TASKS_TOLD)
    server.extra_environment = {
        "PYTHONPATH": f"{server.environment()['PYTHONPATH']}:{hook}",
        "TASKS_FILE": str(directory / "tasks"),
    }
    return server.start()


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def possessions(server: Server) -> dict[str, int]:
    """Descriptors, threads and files of both processes, and tasks of the front's loop."""
    assert server.process
    front, npu = server.process.pid, int(server.health()["npu_pid"])
    told = server.directory / "tasks"
    told.unlink(missing_ok=True)
    os.kill(front, signal.SIGUSR1)
    server.wait_for(lambda: told.exists() and told.read_text() != "")
    found = {
        "tasks": int(told.read_text()),
        "files": sum(1 for path in server.directory.rglob("*") if path.name not in ("tasks", "hailort.log")),
    }
    for name, pid in (("front", front), ("npu", npu)):
        found[f"{name}_descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
        found[f"{name}_threads"] = len(os.listdir(f"/proc/{pid}/task"))
    return found


async def settled(server: Server) -> dict[str, int]:
    """What the service has once it is idle and its connections are gone."""
    for _ in range(100):
        queue = server.health()["queue"]
        if queue["running"] == queue["waiting"] == 0:
            break
        await asyncio.sleep(0.1)
    server.http.close()
    server.http = httpx.Client(base_url=server.url, timeout=30)
    await asyncio.sleep(1)
    return possessions(server)


def health_times(watcher: subprocess.Popen[str]) -> list[float]:
    """What the watcher measured, in order of size."""
    watcher.terminate()
    output, _ = watcher.communicate(timeout=30)
    return sorted(map(float, output.split()))


def idle_share(journal: list[dict[str, Any]]) -> float:
    """Of the time between the first generation and the last, how much the NPU had none."""
    ends = [entry["t"] for entry in journal if entry["event"] == "release"]
    begins = [entry["t"] - entry["encode_s"] for entry in journal if entry["event"] == "generate"]
    gaps = [begin - end for end, begin in zip(ends, begins[1:], strict=False)]
    return sum(gaps) / (begins[-1] - begins[0]) if len(begins) > 1 else 1.0


def overtakings(journal: list[dict[str, Any]], journeys: list[Journey]) -> int:
    """Texts that were generated although another text had come well before and still waited.

    The prompt of each carries its number; pictures are left out: they may be passed while they are decoded.
    """
    place = {}
    for number, entry in enumerate(entry for entry in journal if entry["event"] == "generate"):
        if "Number " in entry["prompt"]:
            place[int(entry["prompt"].rpartition("Number ")[2].split(".")[0])] = number
    found = 0
    sent = sorted((journey.sent, place[journey.number]) for journey in journeys if journey.number in place)
    for index, (moment, position) in enumerate(sent):
        found += any(other < position and later > moment + _JITTER_SECONDS for later, other in sent[index:])
    return found


async def run_clients(server: Server, clients: list[Client]) -> None:
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run(server))


async def mixed(directory: Path, seconds: float, seed: int) -> dict[str, Any]:
    """64 clients of all kinds for a while; what each of them got, in order and in time."""
    server = make_server(directory, scale=1.0, queue_size=8)
    journeys: list[Journey] = []
    outcomes: Counter[str] = Counter()
    stop_at = time.monotonic() + seconds
    clients = [
        Client(KINDS[index % len(KINDS)], random.Random(seed + index), outcomes, journeys, stop_at=stop_at)
        for index in range(CLIENTS)
    ]
    clients.sort(key=lambda client: client.kind != "slow_reader")  # who is first finds room in the queue
    try:
        server.answer(user("Warm up.", plain("red"), plain("blue")), max_tokens=1)
        before = await settled(server)
        server.forget()
        watcher = subprocess.Popen(
            [sys.executable, "-c", _WATCH, str(server.port)], stdout=subprocess.PIPE, text=True
        )
        try:
            await run_clients(server, clients)
        finally:
            times = health_times(watcher)
        after = await settled(server)
        journal = server.journal()
    finally:
        server.close()
    return {
        "seconds": seconds,
        "outcomes": dict(sorted(outcomes.items())),
        "generations": sum(entry["event"] == "generate" for entry in journal),
        "overtakings": overtakings(journal, journeys),
        "npu_idle_share": round(idle_share(journal), 4),
        "health_p50_ms": round(times[len(times) // 2] * 1000, 1),
        "health_p99_ms": round(times[int(len(times) * 0.99)] * 1000, 1),
        "left_over": {name: after[name] - before[name] for name in before},
    }


async def counted(directory: Path, requests: int, seed: int) -> dict[str, Any]:
    """So many requests as fast as they go; what the processes hold after each step, the first a warm-up."""
    server = make_server(directory, scale=0.0, queue_size=64)
    outcomes: Counter[str] = Counter()
    kinds = [kind for kind in KINDS if kind not in ("slow_reader", "idle", "slow_body")]
    sizes: list[tuple[int, int]] = []
    before: dict[str, int] = {}
    started = time.monotonic()
    try:
        done = 0
        steps = max(3, requests // _STEP_REQUESTS)
        for _ in range(steps):
            quota = max(1, round(requests / steps / _COUNTED_CLIENTS))
            clients = [
                Client(kinds[i % len(kinds)], random.Random(f"{seed} {i} {done}"), outcomes, [], count=quota)
                for i in range(_COUNTED_CLIENTS)
            ]
            await run_clients(server, clients)
            done += quota * _COUNTED_CLIENTS
            after = await settled(server)
            before = before or after
            assert server.process
            sizes.append((resident(server.process.pid), resident(server.health()["npu_pid"])))
            print(f"{done} requests in {time.monotonic() - started:.0f} s", file=sys.stderr)
    finally:
        server.close()
    return {
        "requests": done,
        "per_second": round(done / (time.monotonic() - started), 1),
        "outcomes": dict(sorted(outcomes.items())),
        "front_resident_mb": [round(front / 2**20, 1) for front, _ in sizes],
        "npu_resident_mb": [round(npu / 2**20, 1) for _, npu in sizes],
        "growth_bytes": max(last - first for first, last in zip(sizes[0], sizes[-1], strict=True)),
        "left_over": {name: after[name] - before[name] for name in before},
    }


def complaints(report: dict[str, Any]) -> list[str]:
    """The bounds that a report breaks."""
    found = []
    for part, figures in report.items():
        bad = {name: count for name, count in figures["outcomes"].items() if name.startswith("bad")}
        left = {name: count for name, count in figures["left_over"].items() if count > 0}
        if bad:
            found.append(f"{part}: unanswered or wrong: {bad}")
        if left:
            found.append(f"{part}: left over: {left}")
    if "mixed" in report:
        mix = report["mixed"]
        if mix["overtakings"]:
            found.append(f"mixed: {mix['overtakings']} requests were overtaken")
        if mix["npu_idle_share"] > IDLE_SHARE:
            found.append(f"mixed: the NPU was idle for {mix['npu_idle_share']:.1%}")
        if mix["health_p99_ms"] > HEALTH_P99_SECONDS * 1000:
            found.append(f"mixed: /health took {mix['health_p99_ms']} ms (p99)")
    if "counted" in report and report["counted"]["growth_bytes"] > GROWTH_BYTES:
        found.append(f"counted: memory grew by {report['counted']['growth_bytes']} bytes")
    return found


def soak(directory: Path, requests: int, seconds: float, seed: int = 1) -> dict[str, Any]:
    """Both parts' figures."""
    report = {"mixed": asyncio.run(mixed(directory / "mixed", seconds, seed))}
    report["counted"] = asyncio.run(counted(directory / "counted", requests, seed))
    return report


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        return verdict(lambda: soak(place, options.requests, options.seconds, options.seed), complaints)


if __name__ == "__main__":
    sys.exit(main())
