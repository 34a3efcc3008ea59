"""The process that holds the chip, as its parent sees it: every step ends in time."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from hailo_vision.cli.qualify.report import Values

_COMMAND = (sys.executable, "-P", "-m", "hailo_vision.cli.qualify")
_ENVIRONMENT = {"HAILORT_LOGGER_PATH": "NONE", "PYTHONDONTWRITEBYTECODE": "1"}
_LEAVE_SECONDS = 20.0
_SAID_BYTES = 600


class StepFailed(Exception):
    """A step did not succeed; the text says why."""


class Deadline:
    """The time by which something has to be done."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def extend(self, seconds: float) -> None:
        self._end += seconds

    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())


class Chip:
    """One process and the model in it.

    call() raises StepFailed, after which the process is gone and only close() may follow.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._printed = os.memfd_create("printed")
        with theirs:
            self._process = subprocess.Popen(
                [*_COMMAND, str(theirs.fileno())],
                env={**os.environ, **_ENVIRONMENT},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._printed,
                stderr=self._printed,
            )
        self._connection = Connection(ours.detach())

    def call(self, deadline: Deadline, name: str, *arguments: object) -> Values:
        """Do a step of measure.Measurements."""
        try:
            self._connection.send_bytes(msgspec.json.encode([name, arguments]))
            if not self._connection.poll(deadline.left()):
                self._process.kill()
                raise StepFailed(f"It was not done within {deadline.seconds:g} s, and was ended.")
            values, cause = msgspec.json.decode(
                self._connection.recv_bytes(), type=tuple[Values | None, str | None]
            )
        except (EOFError, ConnectionError):
            raise StepFailed(f"The process that holds the chip ended {self._how()}.") from None
        if values is None:
            raise StepFailed(cause)
        return values

    def memory(self) -> Values:
        return memory_of(self._process.pid)

    def close(self) -> None:
        """Have the model released, and the process ended in any case."""
        self._connection.close()
        try:
            self._process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the driver
                self._process.wait(_LEAVE_SECONDS)
        os.close(self._printed)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def _how(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVE_SECONDS)
        code = self._process.returncode
        size = os.fstat(self._printed).st_size
        said = (
            os.pread(self._printed, _SAID_BYTES, max(0, size - _SAID_BYTES)).decode(errors="replace").strip()
        )
        how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
        return f"{how}; it said: {said}" if said else how


def memory_of(pid: int) -> Values:
    """What a process takes now and took at most, in MB of resident memory; nothing if it is gone."""
    fields = _status(pid)
    names = {"VmRSS": "now (MB)", "VmHWM": "at most (MB)"}
    return {said: fields[name] // 1024 for name, said in names.items() if name in fields}


def children_of(pid: int) -> list[int]:
    others = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [other for other in others if _status(other).get("PPid") == pid]


def _status(pid: int) -> dict[str, int]:
    """The numbers of a process's status, sizes in KiB; empty if it is gone."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        return {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+)\b", status, re.MULTILINE)}
    return {}
