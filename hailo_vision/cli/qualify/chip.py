"""The process that holds the chip, as its parent sees it: every step ends in time."""

import contextlib
import os
import subprocess
import sys
from multiprocessing import Pipe

from hailo_vision.cli import tools
from hailo_vision.cli.client import Failed
from hailo_vision.cli.qualify.report import Values

_COMMAND = (sys.executable, "-P", "-m", "hailo_vision.cli.qualify.measure")
_ENVIRONMENT = {"HAILORT_LOGGER_PATH": "NONE", "PYTHONDONTWRITEBYTECODE": "1"}
_LEAVE_SECONDS = 20.0
_SAID_BYTES = 600


class Chip:
    """One process and the model in it.

    call() raises Failed, after which the process is gone and only close() may follow.
    """

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
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

    def call(self, name: str, *arguments: object, seconds: float = 120.0) -> Values:
        """Call a method of measure.Measurements, which may take so many seconds."""
        try:
            self._connection.send((name, arguments))
            if not self._connection.poll(seconds):
                self._process.kill()
                raise Failed(f"It was not done within {seconds:g} s, and was ended.")
            values, cause = self._connection.recv()
        except (EOFError, ConnectionError):
            raise Failed(f"The process that holds the chip ended {self._how()}.") from None
        if values is None:
            raise Failed(cause)
        return dict(values)

    @property
    def pid(self) -> int:
        return self._process.pid

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

    def _how(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVE_SECONDS)
        code = self._process.returncode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
        begin = max(0, os.fstat(self._printed).st_size - _SAID_BYTES)
        said = os.pread(self._printed, _SAID_BYTES, begin).decode(errors="replace").strip()
        return f"{how}; it said: {said}" if said else how


def memory_of(pid: int) -> Values:
    """What a process takes now and took at most, in MB of resident memory; nothing if it is gone."""
    amounts = tools.megabytes(tools.read(f"/proc/{pid}/status"))
    names = {"VmRSS": "now (MB)", "VmHWM": "at most (MB)"}
    return {said: amounts[name] for name, said in names.items() if name in amounts}
