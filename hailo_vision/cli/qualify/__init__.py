"""`hailo-vision qualify`: the facts about a real Pi that only a real Pi can tell, as a report."""

import contextlib
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from hailo_vision import config
from hailo_vision.cli.client import Failed
from hailo_vision.cli.qualify import report
from hailo_vision.cli.qualify.chip import Deadline, StepFailed
from hailo_vision.cli.qualify.report import Report, Result, Values
from hailo_vision.cli.qualify.service import Service
from hailo_vision.cli.qualify.steps import LAST, STEPS, Bench
from hailo_vision.npu.holders import holders_of

_LEAVE_ALONE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MORE_THAN_A_LOAD = 90.0  # seconds from systemd's start to a loaded model


def qualify(path: Path | None, folder: Path, *, with_service: bool) -> bool:
    """Run all steps and write the report into a folder; each step is announced on standard error.

    Args:
        path: the configuration file, None for the default one.
        with_service: stop the service meanwhile, and start it again however this ends.

    Returns:
        Whether everything succeeded, the service's return included.

    Raises:
        ConfigError: the configuration can't be used.
        Failed: the service can't be stopped, or another program holds the chip.
    """
    settings = config.load_or_default(path)
    if not folder.is_dir():
        raise Failed(f"{folder}: no such folder", 2)
    began = time.strftime("%Y-%m-%d %H:%M:%S %z")
    results: list[Result] = []
    with _stopped(settings, results) if with_service else contextlib.nullcontext():
        holders = holders_of(settings.npu.device_nodes)
        if holders:
            raise Failed(f"The chip is in use by {', '.join(holders)}: stop that first.")
        bench = Bench(settings)
        try:
            for step in (*STEPS, LAST):
                results.append(_run(step.name, step.intent, step.seconds, partial(step.run, bench)))
        finally:
            bench.close()
    made = report.make(platform.node(), began, results)
    _write(made, folder)
    return made.ok


@contextlib.contextmanager
def _stopped(settings: config.Config, results: list[Result]) -> Iterator[None]:
    """A block in which the service is stopped, if it was up; it is started again however the block ends."""
    seconds = settings.model.load_timeout + _MORE_THAN_A_LOAD
    service = Service(seconds)
    if not service.units:
        yield
        return
    results.append(_run("service", "Read the service's memory.", 10, lambda _: service.memory()))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        _tell(f"Stop {' and '.join(service.units)}.")
        service.stop()
        yield
    finally:
        for number in _LEAVE_ALONE:
            signal.signal(number, signal.SIG_IGN)
        back = _run("service's return", "Start the service again.", seconds, lambda _: service.start())
        results.append(back)
        for number in _LEAVE_ALONE:
            signal.signal(number, signal.default_int_handler)


def _run(name: str, intent: str, seconds: float, run: Callable[[Deadline], Values]) -> Result:
    """Run one step; if it fails, the error is its result."""
    _tell(f"{name}: {intent}")
    started = time.monotonic()
    values, error = {}, ""
    try:
        values = run(Deadline(seconds))
    except (StepFailed, Failed) as failure:
        error = str(failure)
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    if error:
        _tell(f"  failed: {error}")
    return Result(name, intent, round(time.monotonic() - started, 1), values, error)


def _write(made: Report, folder: Path) -> None:
    base = folder / f"qualify-{made.host}-{time.strftime('%Y%m%d-%H%M%S')}"
    json = msgspec.json.format(msgspec.json.encode(made), indent=2)
    for suffix, content in ((".json", json), (".md", report.markdown(made).encode())):
        path = base.with_name(base.name + suffix)
        path.write_bytes(content)
        print(path)


def _tell(line: str) -> None:
    """On standard error; a terminal that is gone must not keep the service from being started."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
