"""Sending a model to the chip: its time, its memory on the host, and the limit of each transfer.

Source: common/genai/session_wrapper/session_wrapper.hpp of hailo-ai/hailort (LONG_TIMEOUT, 120 s in all,
whatever the caller waits); the client reads the file into two buffers of 64 MiB.
"""

from hailo_platform._emulator import clock, faults, log
from hailo_platform._emulator.errors import Status, failure
from hailo_platform._emulator.settings import Settings

_BUFFER_BYTES = 64 << 20
_BUFFERS = 2


def send(current: Settings, megabytes: float) -> None:
    """Take the time of a load; with the fault `storage_mb_s` that of reading so many megabytes at this rate.

    Raises status 4 if the storage is too slow for the limit.
    """
    buffers = [b"\1" * _BUFFER_BYTES for _ in range(_BUFFERS)]
    reading = megabytes / current.faults.storage_mb_s if faults.strikes("storage_mb_s") else 0.0
    limit = current.timing.transfer_limit
    clock.spend(min(limit, reading) if reading else current.timing.load)
    buffers.clear()
    if reading > limit:
        log.write("error", "Timeout waiting for transfer completion")
        raise failure(Status.TIMEOUT)
