"""What the long runs share: a report and a verdict, or a word about what ended them before."""

import json
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

Report = dict[str, Any]
_ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Ended(SystemExit):
    """A signal came: as this, it passes through a running event loop."""


def verdict(work: Callable[[], Report], complaints: Callable[[Report], list[str]]) -> int:
    """Do the work and print its report; the exit status: 0, 1 if there are complaints, 2 if it was ended."""
    for number in _ENDINGS:
        signal.signal(number, _end)
    try:
        report = work()
    except BaseException as error:
        print(f"No verdict: {_cause(error)}", file=sys.stderr)
        if isinstance(error, Ended):
            return 2
        raise
    print(json.dumps(report, indent=2))
    found = complaints(report)
    for complaint in found:
        print(complaint, file=sys.stderr)
    print("A bound is broken" if found else "All bounds are kept", file=sys.stderr)
    return 1 if found else 0


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(f"ended by {signal.Signals(number).name}")


def _cause(error: BaseException) -> str:
    """The innermost of grouped errors: the clients run as a group of tasks."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
