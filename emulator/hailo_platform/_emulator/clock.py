"""Waiting as the native library waits: without giving up the GIL.

No GenAI binding of HailoRT releases the GIL (libhailort/bindings/python/src: only infer_model_api.cpp
does), so a call blocks every Python thread and every Python signal handler of its process.
"""

import ctypes
import math
import time
from typing import NoReturn

from hailo_platform._emulator.settings import settings, source

_CLOCK_MONOTONIC = 1
_FOREVER_S = 10.0 * 365 * 86400
_NANOSECONDS = 1_000_000_000

# PyDLL keeps the GIL during a call, unlike CDLL.
_libc = ctypes.PyDLL(None)
_releasing_libc = ctypes.CDLL(None)
_cond_clockwait = getattr(_libc, "pthread_cond_clockwait", None)


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


def _timespec(seconds: float) -> _Timespec:
    whole = int(seconds)
    return _Timespec(whole, int((seconds - whole) * _NANOSECONDS))


def _hold_until(deadline: float) -> None:
    """Sleep in C until the monotonic time `deadline` (seconds); signals do not end it."""
    spec = _timespec(deadline)
    if _cond_clockwait is None:
        while time.monotonic() < deadline:
            _libc.clock_nanosleep(_CLOCK_MONOTONIC, 1, ctypes.byref(spec), None)
        return
    mutex = ctypes.create_string_buffer(128)
    condition = ctypes.create_string_buffer(128)
    _libc.pthread_mutex_lock(mutex)
    while time.monotonic() < deadline:
        # Nobody signals the condition: it ends by the clock, or spuriously.
        _cond_clockwait(condition, mutex, _CLOCK_MONOTONIC, ctypes.byref(spec))
    _libc.pthread_mutex_unlock(mutex)


def now() -> float:
    """Monotonic seconds, the clock of every time stamp of the emulator."""
    return time.monotonic()


def wait_until(deadline: float) -> None:
    """Block until the monotonic time `deadline`, holding the GIL unless the settings say otherwise."""
    if deadline == math.inf:
        hang()
    if deadline <= time.monotonic():
        return
    source.let_go()
    if settings().hold_gil:
        _hold_until(deadline)
    else:
        time.sleep(max(0.0, deadline - time.monotonic()))


def wait_for_event(deadline: float) -> bool:
    """Block as wait_until does, but on poll(2): False if a handled signal broke the wait.

    Source: libhailort/src/os/posix/linux/event.cpp of hailo-ai/hailort takes poll's EINTR for a failure.
    """
    if deadline <= time.monotonic():
        return True
    source.let_go()
    libc = _libc if settings().hold_gil else _releasing_libc
    while (left := min(deadline - time.monotonic(), _FOREVER_S)) > 0:
        if libc.ppoll(None, 0, ctypes.byref(_timespec(left)), None) < 0:
            return False
    return True


def spend(seconds: float) -> None:
    """Block for `seconds` of the emulated device's time (scaled by time_scale)."""
    wait_until(time.monotonic() + seconds * settings().time_scale)


def hang() -> NoReturn:
    """Never return: what a call does whose answer never comes."""
    while True:
        wait_until(time.monotonic() + _FOREVER_S)
