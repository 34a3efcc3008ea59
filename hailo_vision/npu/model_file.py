"""The model file of this service: where it is, and having it fetched where it is missing."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hailo_vision.config import ModelConfig
from hailo_vision.npu import hef
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.protocol import Problem

log = logging.getLogger(__name__)

T = TypeVar("T")

_TELL_SECONDS = 1.0
_RUNTIME_SECONDS = 30
_LEAVE_OFF_SECONDS = 2.0
_UNWRITABLE = "Check the disk and the permissions of the folder."


@dataclass(frozen=True)
class Progress:
    """How far a transfer is, in bytes; seconds_left at its pace up to now."""

    done: int
    total: int
    seconds_left: float

    def __str__(self) -> str:
        return f"{100 * self.done // self.total}% of {self.total / 1e9:.2f} GB"


class _LeftOff(Exception):
    """The transfer is not wanted any more."""


class ModelFile:
    """Finds the model file, and fetches a missing one into the service's own folder.

    The folder where the deployment puts models belongs to root; what the service itself can write is the
    last choice.

    Attributes:
        progress: of the running transfer.
    """

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self.progress: Progress | None = None
        self._told = 0.0

    @property
    def fetched(self) -> Path:
        """Where a fetched file lies."""
        return Path(self._config.fetched_dir, f"{self._config.name.replace('/', '_')}.hef")

    def find(self) -> Path | None:
        """The file to load; None if there is none."""
        return self._placed() or (self.fetched if self._config.url and self.fetched.exists() else None)

    def fetchable(self) -> bool:
        """Whether the file is missing and there is an address to fetch it from."""
        return self._config.url is not None and self.find() is None

    def fingerprint(self) -> set[tuple[str, int, int]]:
        """Names, sizes and times of the files that could be loaded: a change is worth another try."""
        model = self._config
        paths = [Path(model.hef_path)] if model.hef_path else list(Path(model.resources_dir).glob("*.hef"))
        found = set()
        for path in (*paths, self.fetched):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.add((path.name, status.st_size, status.st_mtime_ns))
        return found

    async def fetch(self, tell: Callable[[], None]) -> None:
        """Fetch the file, calling tell now and then; returns early if somebody else has put one in place.

        Raises:
            NpuError: it can't be had now.
        """
        left_off = threading.Event()
        loop = asyncio.get_running_loop()
        pace = _Pace()

        def observe(done: int, total: int, resumable: bool) -> None:
            del resumable
            if left_off.is_set() or self._placed():
                raise _LeftOff
            loop.call_soon_threadsafe(self._note, pace.progress(done, total), tell)

        try:
            await _in_thread(lambda: self._bring(observe), left_off.set)
        except _LeftOff:
            log.info("A model file was put in place meanwhile")
        except hef.Unfit as failure:
            raise NpuError(Problem("hef_unfit", failure.message, failure.cure, "hef")) from failure
        except hef.Failure as failure:
            raise NpuError(Problem("hef_fetch_failed", failure.message, failure.cure)) from failure
        except OSError as error:
            message = f"The model file can't be stored in {self._config.fetched_dir}: {error.strerror}."
            raise NpuError(Problem("hef_fetch_failed", message, _UNWRITABLE)) from error
        finally:
            self.progress = None

    def _placed(self) -> Path | None:
        model = self._config
        return hef.find(model.hef_path, model.name, model.resources_dir)

    def _note(self, progress: Progress, tell: Callable[[], None]) -> None:
        self.progress = progress
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._told = time.monotonic()
            tell()

    def _bring(self, observe: hef.Observer) -> None:
        """Fetch, verify, and put in place; for a thread."""
        url = self._config.url or ""
        order = hef.Order(url, self.fetched.with_name(f".{self.fetched.name}.part"), url)
        order.part.parent.mkdir(parents=True, exist_ok=True)
        log.info("Fetching the model file from %s", order.shown_url)
        started = time.monotonic()
        hef.fetch(order, observe)
        try:
            hef.require_fit(order.part, _runtime_version())
            if self._config.sha256:
                hef.require_checksum(order.part, self._config.sha256)
        except hef.Unfit:
            hef.discard(order)
            raise
        hef.place(order, self.fetched)
        log.info("Model file fetched in %.0f s", time.monotonic() - started)


class _Pace:
    """Estimates what is left from what has come since the first call."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None

    def progress(self, done: int, total: int) -> Progress:
        now = time.monotonic()
        began, before = self._began = self._began or (now, done)
        per_byte = (now - began) / (done - before) if done > before else 0.0
        return Progress(done, total, (total - done) * per_byte)


def _runtime_version() -> str | None:
    """The installed HailoRT's version, asked of another process: this one never imports it."""
    command = [sys.executable, "-m", "hailo_vision.npu.worker.version"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_RUNTIME_SECONDS
        ).stdout.strip()
    return None


async def _in_thread(work: Callable[[], T], leave_off: Callable[[], None]) -> T:
    """The work's result, from a thread that does not keep the program from ending as an executor's would.

    When this is cancelled, the work is told to leave off, and gets a moment for it.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from here on, nobody's cancellation keeps it from being settled

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="model-file", daemon=True).start()
    outcome = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(outcome)
    except asyncio.CancelledError:
        leave_off()
        await asyncio.wait({outcome}, timeout=_LEAVE_OFF_SECONDS)
        if not outcome.cancel():
            outcome.exception()  # as good as told: nobody waits for it any more
        raise
