"""Processes by an identity that cannot be mistaken: the id together with the start time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from emulator.fleet.errors import FleetError
from emulator.fleet.layout import REPOSITORY

_STARTER = "HAILO_FLEET_STARTER"  # the process that starts another tells it who it is


@dataclass(frozen=True)
class Process:
    """A process; ``started`` is in clock ticks since boot, so that a reused id is never taken for it."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return _started(self.pid) == self.started

    def send(self, number: int) -> None:
        """Send a signal if the process still exists."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait(self, seconds: float) -> bool:
        """Wait until it is gone; False if it still runs after that time."""
        limit = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > limit:
                return False
            time.sleep(0.05)
        return True

    def stop(self, seconds: float = 5.0) -> None:
        """SIGTERM, and SIGKILL if that is not heard in time."""
        self.send(signal.SIGTERM)
        if not self.wait(seconds):
            self.send(signal.SIGKILL)
            self.wait(seconds)


def _started(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def of_pid(pid: int) -> Process | None:
    """The process that has this id now."""
    started = _started(pid)
    return None if started is None else Process(pid, started)


def everyone() -> Iterator[int]:
    """The ids of all processes."""
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def register(file: Path) -> None:
    """Write down the calling process.

    A process of the fleet does this before it creates anything.  The folder is never created here: when it is
    gone, ``down`` has run meanwhile, and the process must end.

    Raises:
        FileNotFoundError: the fleet is gone.
        FleetError: the ``up`` that started it was killed.
    """
    me = of_pid(os.getpid())
    assert me is not None
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(me)))
    temporary.replace(file)
    # A ``down`` that began after that may not have seen the file.
    if os.environ.get(_STARTER) != str(os.getppid()):
        raise FleetError("The process that started this one is gone.")


def registered(file: Path) -> Process | None:
    """The process that was written down in a file, if it still runs."""
    try:
        process = Process(**json.loads(file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return process if process.alive() else None


def start(arguments: list[str], file: Path, log: Path, seconds: float = 15.0) -> Process:
    """Start ``python -m emulator.fleet ARGUMENTS`` in a session of its own and wait until it has registered.

    Raises:
        FleetError: it ended at once; the text holds the end of its log.
    """
    file.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "emulator.fleet", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=REPOSITORY,
            env={**os.environ, _STARTER: str(os.getpid())},
        )
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        process = registered(file)
        if process is not None:
            return process
        if child.poll() is not None:
            break
        time.sleep(0.02)
    end = log.read_text(errors="replace")[-800:]
    raise FleetError(f"`{' '.join(arguments)}` did not start; the end of {log}: {end}")
