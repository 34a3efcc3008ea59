"""The device node and who may use the chip: group ids and exclusivity over all processes.

Behaviour: hailort/hailort_server/hailort_server.cpp (only who wants the chip alone waits, 5 s) and
libhailort/src/vdevice/vdevice_hrpc_client.cpp (73 becomes 74 where no device was named) of hailo-ai/hailort.
"""

import atexit
import contextlib
import errno
import fcntl
import os
import signal
import struct
import time
from pathlib import Path

from hailo_platform._emulator import clock, faults, log, server
from hailo_platform._emulator.errors import Status, failure
from hailo_platform._emulator.settings import settings
from hailo_platform._emulator.shared import open_shared, try_lock

UNIQUE_GROUP = "UNIQUE"
PCIE_ADDRESS = "0001:01:00.0"
_POLL_S = 0.02
_MOMENT = struct.Struct("d")


def present() -> list[str]:
    """The addresses of the devices whose node is there."""
    return [PCIE_ADDRESS] if Path(settings().device).exists() else []


def check_node() -> None:
    """Raise what libhailort raises if the node is missing or forbidden, or the chip does not answer."""
    device = settings().device
    if faults.strikes("device_absent") or not present():
        log.write("error", "CHECK failed - there are not enough free devices. requested: 1, found: 0")
        raise failure(Status.OUT_OF_PHYSICAL_DEVICES)
    if faults.strikes("permission_denied") or not _may_open(device):
        log.write("error", f"Failed to open device file {device} with error 13 (Permission denied)")
        raise failure(Status.DRIVER_OPERATION_FAILED)
    if faults.strikes("vdevice_status"):
        raise failure(settings().faults.vdevice_status)
    server.refuse_while_away()


def _open_node(device: str) -> int:
    return os.open(device, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)


def _may_open(device: str) -> bool:
    try:
        os.close(_open_node(device))
    except OSError as error:
        # A character device without a driver behind it is there and was permitted.
        return error.errno in (errno.ENXIO, errno.ENODEV, errno.EBUSY)
    return True


class Claim:
    """A process's place on the chip: shared with the same group id, or alone. Vanishes with the process."""

    def __init__(self, holders: int, group_id: str, incarnation: int) -> None:
        self._holders: int | None = holders
        self._node: int | None = None
        with contextlib.suppress(OSError):
            self._node = _open_node(settings().device)  # open as long as the chip is used, so fuser sees it
        self._users = 1
        self.group_id = group_id
        self.incarnation = incarnation
        _held.add(self)

    def retain(self) -> None:
        """One more object of this process needs the place: a model keeps its device's."""
        self._users += 1

    def release(self) -> None:
        """One object fewer needs the place; the last one gives it up."""
        self._users -= 1
        if self._users <= 0 and self._holders is not None:
            os.close(self._holders)
            if self._node is not None:
                os.close(self._node)
            self._holders = self._node = None
            _held.discard(self)


def claim(group_id: str, *, by_id: bool) -> Claim:
    """Join or open the chip's group.

    Raises status 74 (73 where the device was named `by_id`) if the chip is held by another group or alone;
    who wants it alone waits for it first.
    """
    current = settings()
    patience = current.timing.contention_wait * current.time_scale if group_id == UNIQUE_GROUP else 0.0
    deadline = time.monotonic() + patience
    busy = faults.strikes("device_busy")
    while True:
        if not busy:
            claimed = _try_claim(group_id)
            if claimed is not None:
                return claimed
        if time.monotonic() >= deadline:
            log.write("error", "CHECK failed - there are not enough free devices. requested: 1, found: 0")
            raise failure(Status.DEVICE_IN_USE if by_id else Status.OUT_OF_PHYSICAL_DEVICES)
        clock.wait_until(min(deadline, time.monotonic() + _POLL_S))


def _try_claim(group_id: str) -> Claim | None:
    registry = open_shared("registry")
    incarnation = server.incarnation()
    # A new server knows nothing of the former one's clients.
    holders = open_shared(f"holders{incarnation}")
    try:
        fcntl.flock(registry, fcntl.LOCK_EX)
        alone = try_lock(holders, exclusive=True)
        if alone:
            os.ftruncate(holders, 0)
            os.pwrite(holders, group_id.encode(), 0)
            if group_id != UNIQUE_GROUP:
                fcntl.flock(holders, fcntl.LOCK_SH)
        else:
            same_group = os.pread(holders, 4096, 0) == group_id.encode() and group_id != UNIQUE_GROUP
            if not (same_group and try_lock(holders, exclusive=False)):
                os.close(holders)
                return None
        return Claim(holders, group_id, incarnation)
    finally:
        os.close(registry)


class KvCacheClaim:
    """The chip's one KV cache (5.2.0 and later): one language model at a time over all processes."""

    def __init__(self) -> None:
        """Raises status 62 if another model is on the chip, or one whose process died while it was at work.

        Source: vlm_server.cpp of 5.2.0 closes the session of a second model, which its first request finds.
        """
        self._descriptor: int | None = open_shared(f"kv{server.incarnation()}")
        alone = try_lock(self._descriptor, exclusive=True)
        if not alone or self._busy_until() > clock.now():
            os.close(self._descriptor)
            self._descriptor = None
            log.write("error", "KV-Cache is already in use!")
            raise failure(Status.COMMUNICATION_CLOSED)

    def _busy_until(self) -> float:
        assert self._descriptor is not None
        noted = os.pread(self._descriptor, _MOMENT.size, 0)
        return float(_MOMENT.unpack(noted)[0]) if noted else 0.0

    def note_request(self, until: float) -> None:
        """Note until when the running request keeps the chip, should this process die."""
        if self._descriptor is not None:
            os.pwrite(self._descriptor, _MOMENT.pack(until), 0)

    def release(self) -> None:
        """Give the cache up; a second call does nothing."""
        if self._descriptor is not None:
            self.note_request(0.0)
            os.close(self._descriptor)
            self._descriptor = None


_held: set[Claim] = set()


def _after_fork_in_child() -> None:
    """A child that ends normally signals the events it shares with its parent, which dies of them."""
    if _held:
        atexit.register(os.kill, os.getppid(), signal.SIGABRT)


os.register_at_fork(after_in_child=_after_fork_in_child)
