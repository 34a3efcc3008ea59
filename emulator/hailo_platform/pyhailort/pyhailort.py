"""The names that programs import from hailo_platform.pyhailort.pyhailort."""

from hailo_platform._emulator.errors import HailoRTException as HailoRTException
from hailo_platform.pyhailort._pyhailort import FormatOrder as FormatOrder
from hailo_platform.pyhailort._pyhailort import SchedulingAlgorithm as HailoSchedulingAlgorithm
from hailo_platform.pyhailort.exceptions import (
    HailoCommunicationClosedException as HailoCommunicationClosedException,
)
from hailo_platform.pyhailort.exceptions import (
    HailoRTDriverOperationFailedException as HailoRTDriverOperationFailedException,
)
from hailo_platform.pyhailort.exceptions import (
    HailoRTHEFNotCompatibleWithDevice as HailoRTHEFNotCompatibleWithDevice,
)
from hailo_platform.pyhailort.exceptions import (
    HailoRTInvalidArgumentException as HailoRTInvalidArgumentException,
)
from hailo_platform.pyhailort.exceptions import HailoRTInvalidHEFException as HailoRTInvalidHEFException
from hailo_platform.pyhailort.exceptions import (
    HailoRTInvalidOperationException as HailoRTInvalidOperationException,
)
from hailo_platform.pyhailort.exceptions import HailoRTNotFoundException as HailoRTNotFoundException
from hailo_platform.pyhailort.exceptions import HailoRTStreamAborted as HailoRTStreamAborted
from hailo_platform.pyhailort.exceptions import HailoRTStreamAbortedByUser as HailoRTStreamAbortedByUser
from hailo_platform.pyhailort.exceptions import HailoRTTimeout as HailoRTTimeout
from hailo_platform.pyhailort.generator import LLMGeneratorCompletion as LLMGeneratorCompletion
from hailo_platform.pyhailort.vdevice import Device as Device
from hailo_platform.pyhailort.vdevice import VDevice as VDevice
from hailo_platform.pyhailort.vlm import VLM as VLM

__all__ = [
    "VLM",
    "Device",
    "FormatOrder",
    "HailoCommunicationClosedException",
    "HailoRTDriverOperationFailedException",
    "HailoRTException",
    "HailoRTHEFNotCompatibleWithDevice",
    "HailoRTInvalidArgumentException",
    "HailoRTInvalidHEFException",
    "HailoRTInvalidOperationException",
    "HailoRTNotFoundException",
    "HailoRTStreamAborted",
    "HailoRTStreamAbortedByUser",
    "HailoRTTimeout",
    "HailoSchedulingAlgorithm",
    "LLMGeneratorCompletion",
    "VDevice",
]
