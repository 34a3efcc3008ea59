"""The wrapper's exceptions and how native statuses become them.

Source: the status table in libhailort/bindings/python/platform/hailo_platform/pyhailort/pyhailort.py of
hailo-ai/hailort. The messages carry no detail there either.
"""

from types import TracebackType

from hailo_platform._emulator.errors import HailoRTException, HailoRTStatusException, Status, status_name
from hailo_platform._emulator.settings import source

_SEE_LOG = "See hailort.log for more information"


class HailoRTTimeout(HailoRTException):
    """Status 4."""


class HailoRTInvalidOperationException(HailoRTException):
    """Status 6."""


class HailoRTInvalidArgumentException(HailoRTException):
    """Status 2."""


class HailoRTNotFoundException(HailoRTException):
    """Status 61."""


class HailoRTInvalidHEFException(HailoRTException):
    """Status 26."""


class HailoRTHEFNotCompatibleWithDevice(HailoRTException):
    """Status 93."""


class HailoRTDriverOperationFailedException(HailoRTException):
    """Status 36."""


class HailoCommunicationClosedException(HailoRTException):
    """Status 62."""


class HailoRTStreamAborted(HailoRTException):
    """Status 63."""


class HailoRTStreamAbortedByUser(HailoRTException):
    """Exported by the package; no status becomes it."""


class HailoStatusInvalidValueException(Exception):
    """A number that is no status of HailoRT."""


_CLASSES: dict[Status, tuple[type[HailoRTException], str]] = {
    Status.TIMEOUT: (
        HailoRTTimeout,
        "Received a timeout - hailort has failed because a timeout had occurred",
    ),
    Status.INVALID_OPERATION: (HailoRTInvalidOperationException, f"Invalid operation. {_SEE_LOG}"),
    Status.INVALID_ARGUMENT: (HailoRTInvalidArgumentException, f"Invalid argument. {_SEE_LOG}"),
    Status.NOT_FOUND: (HailoRTNotFoundException, f"Item not found. {_SEE_LOG}"),
    Status.INVALID_HEF: (HailoRTInvalidHEFException, f"Invalid HEF. {_SEE_LOG}"),
    Status.HEF_NOT_COMPATIBLE_WITH_DEVICE: (
        HailoRTHEFNotCompatibleWithDevice,
        f"HEF file is not compatible with device. {_SEE_LOG}",
    ),
    Status.DRIVER_OPERATION_FAILED: (
        HailoRTDriverOperationFailedException,
        "Failure in hailort driver ioctl. run 'dmesg | grep hailo' for more information",
    ),
    Status.COMMUNICATION_CLOSED: (
        HailoCommunicationClosedException,
        "Communication closed failure. Check server-client connection",
    ),
    Status.STREAM_ABORT: (HailoRTStreamAborted, "Stream was aborted"),
}


def translated(status: int) -> Exception:
    """The wrapper's exception for a native status."""
    if not status_name(status):
        return HailoStatusInvalidValueException(f"Value {status} is not a valid status")
    for known, (kind, text) in _CLASSES.items():
        if known == status:
            return kind(text)
    return HailoRTException(f"libhailort failed with error: {status} ({status_name(status)})")


class NativeCall:
    """Translates the native exception of the call within, which takes the settings as it finds them until it
    has to wait."""

    def __enter__(self) -> None:
        source.hold()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        source.let_go()
        if isinstance(error, HailoRTStatusException):
            raise translated(int(error.args[0])) from error
