"""The device node and who may use the chip: group ids, exclusivity over all processes, the lost link.

Behaviour: hailort/hailort_server/hailort_server.cpp (a contender waits 5 s on the chip) and
libhailort/src/vdevice/vdevice_hrpc_client.cpp (73 becomes 74) of hailo-ai/hailort.
"""

import errno
import fcntl
import os
import time
from pathlib import Path

from hailo_platform._emulator import clock, faults, log
from hailo_platform._emulator.errors import Status, failure
from hailo_platform._emulator.settings import settings
from hailo_platform._emulator.shared import open_shared, read_state, try_lock

UNIQUE_GROUP = "UNIQUE"
_POLL_S = 0.02


def check_node() -> None:
    """Raise what libhailort raises if the device node is missing, forbidden, or the chip's link is lost."""
    device = settings().device
    if faults.strikes("device_absent") or not Path(device).exists():
        log.write("error", "CHECK failed - there are not enough free devices. requested: 1, found: 0")
        raise failure(Status.OUT_OF_PHYSICAL_DEVICES)
    if faults.strikes("permission_denied") or not _may_open(device):
        log.write("error", f"Failed to open device file {device} with error 13 (Permission denied)")
        raise failure(Status.DRIVER_OPERATION_FAILED)
    if faults.strikes("vdevice_status"):
        raise failure(settings().faults.vdevice_status)
    if is_lost():
        log.write("error", "Failed ioctl, the device does not answer")
        raise failure(Status.DRIVER_OPERATION_FAILED)


def is_lost() -> bool:
    """Whether the link to the chip was lost since the last power cycle."""
    return bool(read_state().get("lost"))


def _may_open(device: str) -> bool:
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        # A character device without a driver behind it is there and was permitted.
        return error.errno in (errno.ENXIO, errno.ENODEV, errno.EBUSY)
    return True


class Claim:
    """A process's place on the chip: shared with the same group id, or alone. Vanishes with the process."""

    def __init__(self, holders: int, group_id: str) -> None:
        self._holders: int | None = holders
        self._users = 1
        self.group_id = group_id

    def retain(self) -> None:
        """One more object of this process needs the place: a model keeps its device's."""
        self._users += 1

    def release(self) -> None:
        """One object fewer needs the place; the last one gives it up."""
        self._users -= 1
        if self._users <= 0 and self._holders is not None:
            os.close(self._holders)
            self._holders = None


def claim(group_id: str) -> Claim:
    """Join or open the chip's group.

    Raises status 74 after the contention wait if the chip is held alone, is wanted alone while somebody
    holds it, or is held by another group.
    """
    deadline = time.monotonic() + settings().timing.contention_wait * settings().time_scale
    busy = faults.strikes("device_busy")
    while True:
        if not busy:
            claimed = _try_claim(group_id)
            if claimed is not None:
                return claimed
        if time.monotonic() >= deadline:
            log.write("error", "CHECK failed - there are not enough free devices. requested: 1, found: 0")
            raise failure(Status.OUT_OF_PHYSICAL_DEVICES)
        clock.wait_until(min(deadline, time.monotonic() + _POLL_S))


def _try_claim(group_id: str) -> Claim | None:
    registry = open_shared("registry")
    holders = open_shared("holders")
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
        return Claim(holders, group_id)
    finally:
        os.close(registry)


class KvCacheClaim:
    """The chip's one KV cache (5.2.0 and later): one language model at a time over all processes."""

    def __init__(self) -> None:
        """Raises status 6 if another model is on the chip (hailort_server.cpp of 5.2.0)."""
        self._descriptor: int | None = open_shared("kv")
        if not try_lock(self._descriptor, exclusive=True):
            self.release()
            log.write("error", "KV-Cache is already in use by another model")
            raise failure(Status.INVALID_OPERATION)

    def release(self) -> None:
        """Give the cache up; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
