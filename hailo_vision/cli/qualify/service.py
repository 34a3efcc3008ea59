"""Stops the service while the chip is measured, and starts it again."""

import time

from hailo_vision.cli import tools
from hailo_vision.cli.client import Failed
from hailo_vision.cli.qualify.chip import memory_of
from hailo_vision.cli.qualify.report import Values

# The socket first: a client would start the service again.
_UNITS = ("hailo-vision.socket", "hailo-vision.service")
_STOP_SECONDS = 60.0
_UP = ("active", "activating", "reloading")


class Units:
    """The service's units that are up; every method raises Failed with systemd's words.

    Args:
        start_seconds: how long their start may take, the model's load included.
    """

    def __init__(self, start_seconds: float) -> None:
        self._seconds = start_seconds
        self.units = [unit for unit in _UNITS if _property(unit, "ActiveState") in _UP]

    def memory(self) -> Values:
        """Of the front process and of those that it has started."""
        front = int(_property(_UNITS[1], "MainPID"))
        if not front:
            return {"service": "not running"}
        children = tools.run("pgrep", "--parent", str(front)).stdout.split()
        processes = [("front process", front), *(("NPU process", int(child)) for child in children)]
        return {f"{who}, {name}": mb for who, pid in processes for name, mb in memory_of(pid).items()}

    def stop(self) -> None:
        done = tools.run("systemctl", "stop", *self.units, seconds=_STOP_SECONDS)
        if done.returncode:
            raise Failed(f"The service can't be stopped: {done.stderr.strip()} Are you root?")

    def start(self) -> Values:
        """Start what was up; seconds, and the state of each unit."""
        started = time.monotonic()
        done = tools.run("systemctl", "start", *self.units, seconds=self._seconds)
        states = {unit: _property(unit, "ActiveState") for unit in self.units}
        if any(state != "active" for state in states.values()):
            told = ", ".join(f"{unit} is {state}" for unit, state in states.items())
            raise Failed(f"The service did not come back: {told}. {done.stderr.strip()}")
        return {"seconds": round(time.monotonic() - started, 1), **states}


def _property(unit: str, name: str) -> str:
    done = tools.run("systemctl", "show", "--value", f"--property={name}", unit)
    if done.returncode:
        raise Failed(
            f"systemd can't be asked for {unit}: {done.stderr.strip()} "
            "Without systemd, stop the service yourself and add --no-service."
        )
    return done.stdout.strip()
