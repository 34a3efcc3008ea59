"""What of the answers of Pis on slow links comes through the gateway. Needs root and a fleet of four."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from support.pictures import image_part

from emulator.fleet.console import run
from emulator.fleet.layout import Layout
from tests.bench.measure import alternate, median
from tests.bench.results import Row
from tests.bench.stage import CHAT, Stage, body, jpeg
from tests.deploy.conftest import Pi

_MEMBERS, _CLIENTS, _LINK = 3, 8, "20mbit"
_TOKENS = 32
_NUMBERS = itertools.count()


def gateway(stage: Stage, fleet: Layout, site: Callable[[Path], object]) -> Row:
    """Eight clients of a gateway in front of three Pis, against clients who ask these Pis themselves.

    Args:
        stage: the run's.
        fleet: a fleet with the service; the fourth host becomes the gateway.
        site: deploys by the fleet's inventory and another.
    """
    pis = [Pi(fleet.host_name(n), str(fleet.host_address(n)), fleet=fleet) for n in range(1, _MEMBERS + 2)]
    *members, front = pis
    stage.note(f"the gateway in front of {_MEMBERS} Pis")
    folder = fleet.directory / "gateway"
    folder.mkdir()
    hosts = f"{{{front.name}: {{hailo_gateway_members: {[pi.name for pi in members]}}}}}"
    (folder / "hosts.yml").write_text(f"hailo_gateway: {{hosts: {hosts}}}\n")
    site(folder)
    photo = jpeg(2700, 2025)
    with ExitStack() as stack:
        for pi in members:
            stack.enter_context(_slow_link(pi))
            # As fast as a Hailo-10H, whatever the fleet was booted for.
            pi.run("sed -i 's/^time_scale.*/time_scale = 1.0/' /etc/hailo-emulator.toml")
            pi.run("systemctl restart hailo-vision.service")
        for pi in members:
            pi.wait_ready()
        _await(front, members)
        through = [f"http://{front.address}:8080"] * _CLIENTS
        direct = [pi.url for pi in members for _ in range(4)]
        answers = 10 if stage.quick else 60
        both = alternate(
            stage.rounds(2), lambda: _rate(through, photo, answers), lambda: _rate(direct, photo, answers)
        )
    ours, theirs = map(median, both)
    return Row(
        f"answers a second through the gateway, {_MEMBERS} Pis on links of 20 Mbit/s, {_CLIENTS} clients",
        "the same Pis asked directly by 4 clients each",
        ours / theirs,
        f"{ours:.3f} / {theirs:.3f}; a photo of {len(photo) / 1e6:.1f} MB and {_TOKENS} tokens a request",
        0.97,
        at_least=True,
    )


def _rate(urls: list[str], photo: bytes, answers: int) -> float:
    """Answers a second while each client always has a question open. There is one for each URL."""
    ended: list[float] = []
    over = threading.Event()
    part = image_part(photo)

    def ask(url: str) -> None:
        with httpx.Client(timeout=120) as client:
            while not over.is_set():
                # Each differs from its first token on, so that none is answered from what the chip still has.
                text = {"type": "text", "text": f"{next(_NUMBERS)}: What is in this picture?"}
                request = body([{"role": "user", "content": [text, part]}], _TOKENS)
                client.post(url + CHAT, content=request).raise_for_status()
                ended.append(time.monotonic())

    threads = [threading.Thread(target=ask, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    # The first answers find everything idle.
    while len(ended) < len(urls) + answers and any(thread.is_alive() for thread in threads):
        time.sleep(0.05)
    counted = ended[len(urls) : len(urls) + answers]
    over.set()
    for thread in threads:
        thread.join()
    return (len(counted) - 1) / (counted[-1] - counted[0])


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


def _await(front: Pi, members: list[Pi]) -> None:
    """Return when the gateway uses all of its Pis."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        table = front.run("curl --silent 'http://localhost:8404/;csv'").splitlines()
        up = [line for line in table if line.startswith("hailo_nodes,") and ",UP," in line]
        if all(any(f",{pi.name}," in line for line in up) for pi in members):
            return
        time.sleep(0.5)
    raise RuntimeError("the gateway does not use all of its Pis")
