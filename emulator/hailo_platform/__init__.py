"""A drop-in for HailoRT's Python package that emulates a Hailo-10H; see emulator/README.md.

`EMULATED` is the one honest mark: the real package has no such name.
"""

from hailo_platform._emulator.errors import EmulatorAssertion
from hailo_platform._emulator.settings import settings
from hailo_platform.pyhailort.pyhailort import (
    FormatOrder,
    HailoCommunicationClosedException,
    HailoRTDriverOperationFailedException,
    HailoRTException,
    HailoRTHEFNotCompatibleWithDevice,
    HailoRTInvalidArgumentException,
    HailoRTInvalidHEFException,
    HailoRTInvalidOperationException,
    HailoRTNotFoundException,
    HailoRTStreamAborted,
    HailoRTTimeout,
    HailoSchedulingAlgorithm,
    VDevice,
)

EMULATED = True
__version__ = settings().version

__all__ = [
    "EMULATED",
    "EmulatorAssertion",
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
    "HailoRTTimeout",
    "HailoSchedulingAlgorithm",
    "VDevice",
]
