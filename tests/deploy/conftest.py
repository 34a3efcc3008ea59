"""Emulated Pis for the deployment tests: most share two, which are the molecule scenario's."""

import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.fleets import DONOR, SCENARIO, WORKER

from emulator.fleet import host, machine, state
from emulator.fleet.layout import BUILD, Layout

TOP = Path(__file__).resolve().parents[2]
PHOTOS = TOP / "tests" / "data"
LOGS = TOP / ".build" / "log" / f"deploy{WORKER}"
# To ask again and again: httpx.get reads all certificate authorities each time, 25 ms of processor time.
POLL = httpx.Client(verify=False, headers={"Connection": "close"}, timeout=5)


@dataclass(frozen=True)
class Pi:
    """One emulated Pi, of the scenario if of no other fleet."""

    name: str
    address: str
    port: int = 11435
    fleet: Layout = SCENARIO

    @property
    def url(self) -> str:
        """Its service."""
        return f"http://{self.address}:{self.port}"

    def run(self, command: str, check: bool = True) -> str:
        """Run a shell command there as root and return what it printed."""
        result = subprocess.run(
            ["ssh", "-i", self.fleet.private_key, "-o", f"UserKnownHostsFile={self.fleet.known_hosts}",
             "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", f"pi@{self.address}", "sudo", "sh", "-s"],
            input=command, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert not check or result.returncode == 0, f"{self.name}: {command}: {result.stderr}"
        return result.stdout.strip()

    def property(self, name: str, unit: str = "hailo-vision.service") -> str:
        """A property of a systemd unit."""
        return self.run(f"systemctl show --value --property={name} {unit}")

    def health(self) -> dict[str, Any]:
        """What the service says of itself; empty if it does not answer."""
        try:
            return dict(POLL.get(f"{self.url}/health").json())
        except httpx.TransportError:
            return {}

    def wait_ready(self, seconds: float = 90) -> None:
        """Wait until the service is ready."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                if POLL.get(f"{self.url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.25)
        journal = self.run("journalctl --unit=hailo-vision --lines=30 --output=cat")
        pytest.fail(f"{self.name} is not ready: {self.health()}\n{journal}", pytrace=False)

    def ask(self, photo: str, question: str = "What is in this picture?") -> str:
        """Ask about one of the photos in tests/data."""
        data = base64.b64encode((PHOTOS / photo).read_bytes()).decode()
        content = [
            {"type": "text", "text": question},
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
        ]
        body = {
            "model": "qwen2-vl-2b-instruct",
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": 40,
        }
        response = httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=120)
        assert response.status_code == 200, response.text
        return str(response.json()["choices"][0]["message"]["content"])


def fleet_command(fleet: Layout, *words: str) -> None:
    """Run a command of a fleet to its end."""
    command = [sys.executable, "-m", "emulator.fleet", *fleet.options, *words]
    result = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@contextmanager
def booted(fleet: Layout, hosts: int, *options: str) -> Iterator[list[Pi]]:
    """Freshly booted hosts, gone afterwards, also when they could not be deployed to."""
    fleet_command(fleet, "down")
    try:
        fleet_command(fleet, "up", "--hosts", str(hosts), *options)
        numbers = range(1, hosts + 1)
        yield [Pi(fleet.host_name(one), str(fleet.host_address(one)), fleet=fleet) for one in numbers]
    finally:
        fleet_command(fleet, "down")


def deployed_disk() -> Path:
    """The disk of a Pi that was deployed to: other Pis begin with it, and it is never changed.

    Whichever process of a test run needs it first makes it for all.
    """
    disks = BUILD / "disks"
    disk = disks / os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with state.building(disks):
        if not disk.exists():
            mounts = Path("/proc/self/mounts").read_text()
            for former in disks.iterdir():
                if former.is_dir() and str(former) not in mounts:
                    machine.delete_tree(former)
            with booted(DONOR, 1, "--time-scale", "0.2"):
                result = playbook("site.yml", fleet=DONOR)
                assert result.returncode == 0, result.stdout[-3000:]
                donor = host.of_number(DONOR, 1)
                host.stop(donor)
                donor.upper.rename(disk)
    return disk


def playbook(name: str, *arguments: str, fleet: Layout = SCENARIO) -> subprocess.CompletedProcess[str]:
    """Run a playbook as an operator does; its output is also kept in LOGS."""
    command = ["ansible-playbook", "-i", str(fleet.inventory), f"playbooks/{name}", *arguments]
    result = subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, check=False)
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / f"playbook-{name}.log").write_text(result.stdout + result.stderr)
    return result


def limit(pi: Pi) -> str:
    """The pattern that keeps a playbook to one host; the controller's own plays need localhost."""
    return f"localhost,{pi.name}"


def changes(result: subprocess.CompletedProcess[str], pi: Pi) -> int:
    """How many tasks changed something on a host, by the recap of a playbook run."""
    recap = re.search(rf"^{pi.name} .*changed=(\d+)", result.stdout, re.MULTILINE)
    assert recap is not None, result.stdout[-3000:]
    return int(recap[1])


def environment() -> dict[str, str]:
    """What Ansible and molecule need to find the scenario's fleet, and to take less processor time."""
    binaries = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": str(TOP / "tests" / "deploy" / "frozen"),
        "FLEET_NAME": SCENARIO.name,
        "FLEET_SUBNET": str(SCENARIO.subnet),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(TOP / ".build" / "molecule" / SCENARIO.name),
        "MOLECULE_GLOB": "tests/deploy/molecule/*/molecule.yml",
        "MOLECULE_COMMAND_BORDERS": "false",
        "NO_COLOR": "1",
        "ANSIBLE_NOCOLOR": "1",
    }


def molecule(action: str) -> None:
    """Run one action of the scenario; a failure shows the end of its log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"molecule-{action}.log"
    with log.open("w") as output:
        status = subprocess.run(
            ["molecule", action], cwd=TOP, env=environment(), stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, check=False,
        ).returncode  # fmt: skip
    if status != 0:
        pytest.fail(f"molecule {action} failed; the end of {log}:\n{log.read_text()[-6000:]}", pytrace=False)


@pytest.fixture(scope="session")
def hosts() -> Iterator[list[Pi]]:
    """Two hosts, which test_01_scenario boots and others find deployed to; gone after the last test."""
    fleet_command(SCENARIO, "down")
    yield [Pi(SCENARIO.host_name(number), str(SCENARIO.host_address(number))) for number in (1, 2)]
    molecule("destroy")


@pytest.fixture(scope="session")
def pis(hosts: list[Pi]) -> list[Pi]:
    """The hosts with the service deployed to them."""
    if not SCENARIO.inventory.exists():
        options = ("--time-scale", "0.2", "--base", str(deployed_disk()))
        fleet_command(SCENARIO, "up", "--hosts", "2", *options)
    result = playbook("site.yml")
    assert result.returncode == 0, result.stdout[-3000:]
    return hosts


@pytest.fixture
def pi(pis: list[Pi]) -> Pi:
    """One of the hosts, ready."""
    pis[0].wait_ready()
    return pis[0]
