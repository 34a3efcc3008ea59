"""A run that is ended says so: one that fell silent once looked as if it had found nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
_RUN = """
import asyncio
from tests.abuse.report import verdict

async def work():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(60))
        print("at work", flush=True)

raise SystemExit(verdict(lambda: asyncio.run(work()), lambda report: []))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_is_told_and_is_no_success(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _RUN], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        assert run.stdout.readline() == "at work\n"
        run.send_signal(number)
        _, told = run.communicate(timeout=20)
    assert (told, run.returncode) == (f"No verdict: Ended: ended by {number.name}\n", 2)


@pytest.mark.parametrize(
    ("work", "found", "status", "told"),
    [
        ("{}", "[]", 0, "All bounds are kept\n"),
        ("{}", "['late']", 1, "late\nA bound is broken\n"),
        ("1 / 0", "[]", 1, "No verdict: ZeroDivisionError: division by zero\n"),
    ],
)
def test_every_end_has_its_word(work: str, found: str, status: int, told: str) -> None:
    program = f"raise SystemExit(verdict(lambda: {work}, lambda report: {found}))"
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.abuse.report import verdict\n{program}"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert done.stderr.startswith(told)
