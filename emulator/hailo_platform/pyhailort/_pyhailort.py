"""What programs use of the native module: the status exception, enumerations and the device's parameters.

Source: libhailort/bindings/python/src/pyhailort.cpp of hailo-ai/hailort.
"""

from enum import Enum

from hailo_platform._emulator.errors import HailoRTStatusException as HailoRTStatusException
from hailo_platform._emulator.errors import status_name
from hailo_platform._emulator.session import GenerationStatus
from hailo_platform._emulator.settings import settings
from hailo_platform.pyhailort.casters import as_bool, as_text, as_uint32

LLMGeneratorCompletionStatus = GenerationStatus
__version__ = settings().version


class FormatOrder(Enum):
    """Orders of a frame's data; the VLM's input is NHWC."""

    AUTO = 0
    NHWC = 1
    NHCW = 2
    FCR = 3
    NC = 7


class SchedulingAlgorithm(Enum):
    """How the chip shares its time between models."""

    NONE = 0
    ROUND_ROBIN = 1


class VDeviceParams:
    """Parameters of a device. Like the native class it knows no other attributes and checks types."""

    __slots__ = (
        "_device_count",
        "_device_ids",
        "_group_id",
        "_multi_process_service",
        "_scheduling_algorithm",
    )

    def __init__(self) -> None:
        self._device_count = 1
        self._device_ids: list[str] = []
        self._group_id = "UNIQUE"
        self._multi_process_service = False
        self._scheduling_algorithm = SchedulingAlgorithm.ROUND_ROBIN

    @staticmethod
    def default() -> "VDeviceParams":
        """Parameters with the defaults of libhailort/src/hailort_defaults.cpp."""
        return VDeviceParams()

    @property
    def device_count(self) -> int:
        """How many devices; the chip has one."""
        return self._device_count

    @device_count.setter
    def device_count(self, value: int) -> None:
        self._device_count = as_uint32("device_count", value)

    @property
    def device_ids(self) -> list[str]:
        """The ids of the wanted devices; empty is any."""
        return self._device_ids

    @device_ids.setter
    def device_ids(self, value: list[str]) -> None:
        if not isinstance(value, list):
            raise TypeError("device_ids: incompatible function arguments: expected list")
        self._device_ids = [as_text("device_ids", item) for item in value]

    @property
    def group_id(self) -> str:
        """Processes with the same id share the chip; "UNIQUE" shares with nobody."""
        return self._group_id

    @group_id.setter
    def group_id(self, value: str) -> None:
        self._group_id = as_text("group_id", value)

    @property
    def multi_process_service(self) -> bool:
        """Not supported on this chip."""
        return self._multi_process_service

    @multi_process_service.setter
    def multi_process_service(self, value: bool) -> None:
        self._multi_process_service = as_bool("multi_process_service", value)

    @property
    def scheduling_algorithm(self) -> SchedulingAlgorithm:
        """GenAI needs a scheduler."""
        return self._scheduling_algorithm

    @scheduling_algorithm.setter
    def scheduling_algorithm(self, value: SchedulingAlgorithm) -> None:
        if not isinstance(value, SchedulingAlgorithm):
            raise TypeError(
                "scheduling_algorithm: incompatible function arguments: expected SchedulingAlgorithm"
            )
        self._scheduling_algorithm = value


def get_status_message(status: int) -> str:
    """HailoRT's name of a status; empty for a number that is none."""
    return status_name(status)
