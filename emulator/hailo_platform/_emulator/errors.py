"""Status codes of HailoRT and the exceptions that carry them.

Codes: hailort/libhailort/include/hailo/hailort.h of hailo-ai/hailort. In 5.1.1 the status exception of
the native module is no HailoRTException, in 5.2.0 it is (libhailort/bindings/python/src/pyhailort.cpp).
"""

from enum import IntEnum

from hailo_platform._emulator.settings import settings


class Status(IntEnum):
    """The statuses that the emulator knows."""

    SUCCESS = 0
    UNINITIALIZED = 1
    INVALID_ARGUMENT = 2
    OUT_OF_HOST_MEMORY = 3
    TIMEOUT = 4
    INVALID_OPERATION = 6
    NOT_IMPLEMENTED = 7
    INTERNAL_FAILURE = 8
    NOT_FOUND = 61
    OPEN_FILE_FAILURE = 13
    FILE_OPERATION_FAILURE = 14
    INVALID_HEF = 26
    DRIVER_OPERATION_FAILED = 36
    COMMUNICATION_CLOSED = 62
    STREAM_ABORT = 63
    DRIVER_NOT_INSTALLED = 64
    NOT_AVAILABLE = 65
    OUT_OF_FW_MEMORY = 71
    DEVICE_IN_USE = 73
    OUT_OF_PHYSICAL_DEVICES = 74
    INVALID_DRIVER_VERSION = 76
    NOT_SUPPORTED = 79
    OUT_OF_HOST_CMA_MEMORY = 81
    DRIVER_INVALID_RESPONSE = 85
    DRIVER_INVALID_IOCTL = 86
    DRIVER_TIMEOUT = 87
    DRIVER_INTERRUPTED = 88
    CONNECTION_REFUSED = 89
    HEF_FILE_CORRUPTED = 91
    HEF_NOT_SUPPORTED = 92
    HEF_NOT_COMPATIBLE_WITH_DEVICE = 93
    DEVICE_NOT_CONNECTED = 96
    DEVICE_TEMPORARILY_UNAVAILABLE = 97


def status_name(code: int) -> str:
    """HailoRT's name of a status, e.g. "HAILO_TIMEOUT"; empty for a number that is none."""
    try:
        return f"HAILO_{Status(code).name}"
    except ValueError:
        return ""


class HailoRTException(Exception):
    """The base of what the Python wrapper raises."""


_status_base: type[Exception] = HailoRTException if settings().version_tuple() >= (5, 2) else Exception


class HailoRTStatusException(_status_base):  # type: ignore[valid-type,misc]
    """The native module's exception: its only argument is the status as text, e.g. "74"."""


class EmulatorAssertion(BaseException):
    """A call whose behaviour is undefined on the chip.

    No Exception, so that no recovery path of the program under test takes it for a fault of the device.
    """


def failure(status: int) -> HailoRTStatusException:
    """The native exception for a status."""
    return HailoRTStatusException(str(int(status)))
