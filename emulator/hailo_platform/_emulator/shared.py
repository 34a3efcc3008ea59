"""What all processes on the machine know of the chip: files in /dev/shm, keyed by the device path.

Locks are flock locks, which vanish with their process. Files are made with mode 0666 and opened without
O_CREAT when they exist, because fs.protected_regular forbids O_CREAT on another user's file there.
"""

import copy
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any

from hailo_platform._emulator.settings import settings


def shared_path(kind: str) -> Path:
    """The path of one of the chip's shared files."""
    current = settings()
    return _path(current.device, current.state_dir, kind)


@cache
def _path(device: str, state_dir: str, kind: str) -> Path:
    key = hashlib.sha256(os.path.realpath(device).encode()).hexdigest()[:12]
    return Path(state_dir) / f"hailo-emulator-{key}.{kind}"


def open_shared(kind: str) -> int:
    """A read-write descriptor of a shared file, made if it is missing."""
    path = shared_path(kind)
    for _ in range(3):
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            pass
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            continue
        os.fchmod(descriptor, 0o666)
        return descriptor
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def try_lock(descriptor: int, *, exclusive: bool) -> bool:
    """Take a flock lock at once or not at all."""
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> dict[str, Any]:
    return _parsed(os.pread(descriptor, os.fstat(descriptor).st_size, 0))


@lru_cache(1)
def _parsed(data: bytes) -> dict[str, Any]:
    """Kept for the next time, so not to be changed."""
    try:
        loaded = json.loads(data) if data else {}
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def update_state(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Change the chip's state record under its lock and return it as it is afterwards."""
    descriptor = open_shared("state")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        state = copy.deepcopy(_read(descriptor))
        before = json.dumps(state, sort_keys=True)
        change(state)
        after = json.dumps(state, sort_keys=True)
        if after != before:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, after.encode(), 0)
        return state
    finally:
        os.close(descriptor)


def read_state() -> dict[str, Any]:
    """The chip's state record: `loads`, `lost`, `fired` (faults), `counters` (see `count`)."""
    with _reading:
        descriptor = _state_file(shared_path("state"), os.getpid()).fileno()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            return _read(descriptor)
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)


@lru_cache(1)
def _state_file(path: Path, pid: int) -> IO[bytes]:
    """The record opened for reading, which it stays: nearly every call looks at it. A lock belongs to whoever
    shares the descriptor, so threads take turns and a forked process opens its own."""
    return os.fdopen(open_shared("state"), "rb")


_reading = threading.Lock()


def count(counter: str) -> None:
    """Add one to a machine-wide counter, such as "poisoned", "overflowed", "assertions"."""

    def change(state: dict[str, Any]) -> None:
        counters = state.setdefault("counters", {})
        counters[counter] = counters.get(counter, 0) + 1

    update_state(change)


def power_cycle() -> None:
    """Forget everything, as a reboot does: loads since boot, a lost device, counters, spent faults."""
    update_state(lambda state: state.clear())
