"""What of the answers of Pis on slow links comes through their gateway. Needs root; boots its own fleet."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from support.fleets import BENCH
from support.pictures import image_part

from emulator.fleet.console import run
from tests.bench.fleet_rows import booted, site
from tests.bench.measure import median
from tests.bench.results import Row
from tests.bench.stage import CHAT, Stage, body, jpeg
from tests.deploy.conftest import Pi
from tests.deploy.gateway import Gateway

_MEMBERS, _CLIENTS, _LINK = 3, 8, "20mbit"
_TOKENS = 32
_NUMBERS = itertools.count()


def gateway(stage: Stage) -> list[Row]:
    """Eight clients of a gateway in front of three Pis, against clients who ask these Pis themselves."""
    numbers = range(1, _MEMBERS + 2)
    pis = [Pi(BENCH.host_name(n), str(BENCH.host_address(n)), fleet=BENCH) for n in numbers]
    *members, front = pis
    with ExitStack() as exits:
        inventory = exits.enter_context(booted(stage, len(pis), scale=1))
        stage.note(f"site.yml, and the gateway in front of {_MEMBERS} Pis")
        folder = BENCH.directory / "gateway"
        folder.mkdir()
        names = [pi.name for pi in members]
        variables = {"hailo_gateway_members": names, "hailo_gateway_statistics_host": "0.0.0.0"}
        (folder / "hosts.yml").write_text(json.dumps({"hailo_gateway": {"hosts": {front.name: variables}}}))
        site(inventory, "-i", str(folder))
        for pi in members:
            exits.enter_context(_slow_link(pi))
        Gateway(front).wait_up(names)
        photo = jpeg(2700, 2025)
        through = [Gateway(front).url] * _CLIENTS
        direct = [pi.url for pi in members for _ in range(4)]
        answers = 8 * _MEMBERS
        rounds = [
            (_rate(through, photo, answers, members), _rate(direct, photo, answers, members))
            for _ in range(stage.rounds(2))
        ]
    ours, theirs = map(median, zip(*rounds, strict=True))
    return [
        Row(
            f"answers a second through the gateway, {_MEMBERS} Pis on links of 20 Mbit/s, {_CLIENTS} clients",
            "the same Pis asked directly by 4 clients each",
            ours / theirs,
            f"{ours:.3f} / {theirs:.3f}; a photo of {len(photo) / 1e6:.1f} MB and {_TOKENS} tokens a request",
            0.97,
            at_least=True,
        )
    ]


def _rate(urls: list[str], photo: bytes, answers: int, members: list[Pi]) -> float:
    """Answers a second of all Pis while each client always has a question open; there is one for each URL.

    It is the sum of each Pi's own rate. Pis that began together also end their answers together: of one
    count for all of them, a moment more or less would decide about three answers.
    """
    over = threading.Event()
    ended = threading.Semaphore(0)
    part = image_part(photo)

    def ask(url: str) -> None:
        with httpx.Client(timeout=120) as client:
            while not over.is_set():
                # Each differs from its first token on, so that none is answered from what the chip still has.
                text = {"type": "text", "text": f"{next(_NUMBERS)}: What is in this picture?"}
                request = body([{"role": "user", "content": [text, part]}], _TOKENS)
                client.post(url + CHAT, content=request).raise_for_status()
                ended.release()

    def wait(count: int) -> float:
        """The moment at which so many more answers are there."""
        for _ in range(count):
            # A client that waits longer has failed, and tells so below.
            if not ended.acquire(timeout=130):
                break
        return time.time()

    with ThreadPoolExecutor(len(urls)) as pool:
        clients = [pool.submit(ask, url) for url in urls]
        # The first answers find everything idle.
        since, until = wait(len(urls)), wait(answers)
        over.set()
    for client in clients:
        client.result()
    moments = [_ends(pi, since, until) for pi in members]
    return sum((len(ends) - 1) / (ends[-1] - ends[0]) for ends in moments)


def _ends(pi: Pi, since: float, until: float) -> list[float]:
    """When a Pi was done with its answers, by its service's log."""
    log = f"journalctl --unit=hailo-vision --since=@{since} --until=@{until} --output=short-unix"
    return [float(line.split()[0]) for line in pi.run(log).splitlines() if " status=200 " in line]


@contextmanager
def _slow_link(pi: Pi) -> Iterator[None]:
    """The way to a Pi at so many bits a second, as over Wi-Fi or an old switch."""
    index = pi.run("cat /sys/class/net/host0/iflink")
    indices = Path("/sys/class/net").glob("*/ifindex")
    device = next(path.parent.name for path in indices if path.read_text().strip() == index)
    shaped = f"dev {device} root"
    run(["tc", "qdisc", "add", *shaped.split(), *f"tbf rate {_LINK} burst 32kb latency 50ms".split()])
    try:
        yield
    finally:
        run(["tc", "qdisc", "delete", *shaped.split()])
