"""Stops the service while the chip is measured, and starts it again."""

import time

from hailo_vision.cli import tools
from hailo_vision.cli.client import Failed
from hailo_vision.cli.qualify.chip import children_of, memory_of
from hailo_vision.cli.qualify.report import Values

# The socket first: a client would start the service again.
_UNITS = ("hailo-vision.socket", "hailo-vision.service")
_STOP_SECONDS = 60.0
_UP = ("active", "activating", "reloading")


class Service:
    """Those of the service's units that are up.

    Args:
        start_seconds: how long their start may take, the model's load included.

    Raises:
        Failed: there is no systemd to ask.
    """

    def __init__(self, start_seconds: float) -> None:
        self._seconds = start_seconds
        states = {unit: self._property(unit, "ActiveState") for unit in _UNITS}
        self.units = [unit for unit, state in states.items() if state in _UP]

    def memory(self) -> Values:
        """Of the front process and of those that it has started."""
        front = int(self._property(_UNITS[1], "MainPID"))
        if not front:
            return {"service": "not running"}
        values: Values = {f"front process, {name}": amount for name, amount in memory_of(front).items()}
        for child in children_of(front):
            values |= {f"NPU process, {name}": amount for name, amount in memory_of(child).items()}
        return values

    def stop(self) -> None:
        """Raises:
        Failed: it does not stop.
        """
        done = tools.run("systemctl", "stop", *self.units, seconds=_STOP_SECONDS)
        if done.returncode:
            raise Failed(f"The service can't be stopped: {done.stderr.strip()} Are you root?")

    def start(self) -> Values:
        """Start what was up; seconds, and the state of each unit.

        Raises:
            Failed: one of them does not come back.
        """
        started = time.monotonic()
        done = tools.run("systemctl", "start", *self.units, seconds=self._seconds)
        states = {unit: self._property(unit, "ActiveState") for unit in self.units}
        if any(state != "active" for state in states.values()):
            told = ", ".join(f"{unit} is {state}" for unit, state in states.items())
            raise Failed(f"The service did not come back: {told}. {done.stderr.strip()}")
        return {"seconds": round(time.monotonic() - started, 1), **states}

    def _property(self, unit: str, name: str) -> str:
        done = tools.run("systemctl", "show", "--value", f"--property={name}", unit)
        if done.returncode:
            raise Failed(
                f"systemd can't be asked for {unit}: {done.stderr.strip()} "
                "Without systemd, stop the service yourself and add --no-service."
            )
        return done.stdout.strip()
