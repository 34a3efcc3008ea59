"""Taking an emulated Pi's power away, and giving it back."""

import signal
import subprocess
import sys

from emulator.fleet import host
from emulator.fleet.layout import Layout
from tests.deploy.conftest import TOP, Pi


def cut(pi: Pi) -> None:
    """End a host so that it can't take its leave from anybody."""
    leader = host.leader(host.of_number(pi.fleet, int(pi.name.removeprefix("pi"))))
    assert leader is not None
    unplug = ["nsenter", f"--target={leader.pid}", "--net", "ip", "link", "set", "host0", "down"]
    subprocess.run(unplug, check=True)
    leader.send(signal.SIGKILL)
    assert leader.wait(10)


def restore(fleet: Layout, hosts: int) -> None:
    """Boot those of a fleet's hosts that are off."""
    command = [sys.executable, "-m", "emulator.fleet", *fleet.options, "up", "--hosts", str(hosts)]
    subprocess.run([*command, "--time-scale", "0.2"], cwd=TOP, check=True, capture_output=True)
