"""Progress on the terminal, and the commands that this machine is told to run."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from emulator.fleet.errors import FleetError

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Print one line of progress with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:4.0f} s] {text}", flush=True)


def warn(text: str) -> None:
    """Print one line that asks for attention."""
    print(f"[{time.monotonic() - _STARTED:4.0f} s] WARNING: {text}", file=sys.stderr, flush=True)


def run(command: Sequence[str | Path], *, text: str | None = None, cwd: Path | None = None) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        FleetError: it failed; the text holds the command and the end of what it said.
    """
    words = [str(word) for word in command]
    result = subprocess.run(words, input=text, capture_output=True, text=True, cwd=cwd, check=False)
    if result.returncode != 0:
        said = tail(result.stderr or result.stdout)
        raise FleetError(f"`{' '.join(words)}` failed ({result.returncode}): {said}")
    return result.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a command ends with status 0; what it prints is dropped."""
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0


def tail(text: str, lines: int = 8) -> str:
    """Return the last lines of an output."""
    return "\n".join(text.strip().splitlines()[-lines:])


def run_shown(command: Sequence[str | Path], what: str, log: Path) -> None:
    """Run a long command into a log file, with a line every ten seconds so that nobody wonders.

    The command dies with this process: nothing of an interrupted ``up`` goes on working.

    Raises:
        FleetError: it failed; the text holds the end of the log.
    """
    say(f"{what} ...")
    words = ["setpriv", "--pdeathsig", "TERM", "--", *(str(word) for word in command)]
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    status = process.wait(timeout=10)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{what}: {time.monotonic() - begun:.0f} s so far")
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status != 0:
        end = tail(log.read_text(errors="replace"), 15)
        raise FleetError(f"{what} failed ({status}); the end of {log}:\n{end}")
