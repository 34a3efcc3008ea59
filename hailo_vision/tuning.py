"""Settings of a whole process, with their reasons: how the front process is tuned, and the NPU process kept
from being disturbed."""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading

# For so long another thread's Python code may keep the event loop waiting; 5 ms by default.
_SWITCH_SECONDS = 0.0002
_M_MMAP_THRESHOLD = -3  # malloc.h
_PR_SET_PDEATHSIG = 1  # prctl.h
# More than a socket gives at once (256 KB): allocating such a buffer each time costs more than filling it.
_LARGE_BYTES = 320 * 1024
_BACKGROUND_NICENESS = 10


def tune_front_process() -> None:
    """Called once, when everything that stays has been imported and made."""
    _give_back_large_blocks()
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What stands now stays: collections need not go through it, which holds up everything.
    gc.freeze()


def run_in_background() -> None:
    """Let the calling thread wait for the event loop and the NPU process, not these for it."""
    # Where a sandbox forbids it, the work is done all the same.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BACKGROUND_NICENESS)


def leave_signals_to_parent() -> None:
    """For a process that holds the chip: its parent decides when it stops, and it ends when its parent does.

    A signal to the whole group (Ctrl-C, systemd) must not cut off a generation, and a handled one breaks
    HailoRT's waiting calls.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _give_back_large_blocks() -> None:
    """Fix glibc's limit above which freed memory returns to the system: left alone it grows to 32 MB with
    the images, which then stay in the heap (mallopt(3))."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
