"""`hailo-vision qualify`: the facts about a real Pi that only a real Pi can tell, as a report."""

import argparse
import contextlib
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from hailo_vision import config
from hailo_vision.cli.client import Failed, visible
from hailo_vision.cli.qualify import report
from hailo_vision.cli.qualify.report import Report, Result, Values
from hailo_vision.cli.qualify.service import Units
from hailo_vision.cli.qualify.steps import STEPS, Session
from hailo_vision.npu.holders import holders_of

_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MORE_THAN_A_LOAD = 90.0  # seconds from systemd's start to a loaded model


def qualify(options: argparse.Namespace) -> int:
    """Run all steps and write the report into a folder; each step is announced on standard error.

    Meanwhile the service is stopped, unless that is not wanted, and it is started again however this ends.

    Returns:
        The exit status: 0 if everything succeeded, the service's return included, else 1.

    Raises:
        ConfigError: the configuration can't be used.
        Failed: the service can't be stopped, or another program holds the chip.
    """
    settings = config.load_or_default(options.config)
    try:
        tempfile.TemporaryFile(dir=options.output).close()
    except OSError as error:
        raise Failed(f"{options.output}: no report can be written there: {error.strerror}", 2) from error
    for number in _INTERRUPTIONS:
        signal.signal(number, signal.default_int_handler)
    began = time.strftime("%Y-%m-%d %H:%M:%S %z")
    results: list[Result] = []
    with contextlib.nullcontext() if options.no_service else _stopped(settings, results):
        holders = holders_of(settings.npu.device_nodes)
        if holders:
            raise Failed(f"The chip is in use by {', '.join(holders)}: stop that first.")
        with contextlib.closing(Session(settings)) as session:
            for step in STEPS:
                results.append(_run(step.name, step.intent, partial(step.run, session)))
    made = report.make(platform.node(), began, results)
    _write(made, options.output)
    return 0 if made.ok else 1


@contextlib.contextmanager
def _stopped(settings: config.Config, results: list[Result]) -> Iterator[None]:
    """A block in which the service is stopped, if it was up; it is started again however the block ends."""
    service = Units(settings.model.load_timeout + _MORE_THAN_A_LOAD)
    if not service.units:
        yield
        return
    results.append(_run("service", "Read the service's memory.", service.memory))
    try:
        _tell(f"Stop {' and '.join(service.units)}.")
        service.stop()
        yield
    finally:
        for number in _INTERRUPTIONS:
            signal.signal(number, signal.SIG_IGN)
        results.append(_run("service's return", "Start the service again.", service.start))
        for number in _INTERRUPTIONS:
            signal.signal(number, signal.default_int_handler)


def _run(name: str, intent: str, run: Callable[[], Values]) -> Result:
    """Run one step; if it fails, the error is its result."""
    _tell(f"{name}: {intent}")
    started = time.monotonic()
    values, error = {}, ""
    try:
        values = run()
    except Exception as failure:
        error = str(failure) if isinstance(failure, Failed) else f"{type(failure).__name__}: {failure}"
        _tell(f"  failed: {error}")
    return Result(name, intent, round(time.monotonic() - started, 1), values, error)


def _write(made: Report, folder: Path) -> None:
    name = f"qualify-{made.host}-{time.strftime('%Y%m%d-%H%M%S')}"
    json = msgspec.json.format(msgspec.json.encode(made), indent=2)
    for suffix, content in (("json", json), ("md", report.markdown(made).encode())):
        path = folder / f"{name}.{suffix}"
        try:
            path.write_bytes(content)
        except OSError as error:
            print(content.decode())  # it took many minutes to find out
            raise Failed(f"{path}: {error.strerror}") from error
        print(path)


def _tell(line: str) -> None:
    """On standard error; a terminal that is gone must not keep the service from being started."""
    with contextlib.suppress(OSError):
        print(visible(line), file=sys.stderr, flush=True)
