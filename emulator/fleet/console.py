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


def run_shown(command: Sequence[str | Path], what: str, log: Path, *, outlive: bool = False) -> None:
    """Run a long command into a log file, with a line every ten seconds so that nobody wonders.

    The command dies with this process, so that nothing of a killed ``up`` goes on working; with ``outlive``
    it comes to its end, as apt must.

    Raises:
        FleetError: it failed; the text holds the end of the log.
    """
    say(f"{what} ...")
    words = [str(word) for word in command]
    if not outlive:
        words = ["setpriv", "--pdeathsig", "TERM", "--", *words]
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=outlive,
        )
        try:
            while True:
                try:
                    status = process.wait(timeout=10)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{what}: {time.monotonic() - begun:.0f} s so far")
        except BaseException:
            if not outlive:
                process.terminate()
                process.wait()
            raise
    if status != 0:
        end = tail(log.read_text(errors="replace"), 15)
        raise FleetError(f"{what} failed ({status}); the end of {log}:\n{end}")
