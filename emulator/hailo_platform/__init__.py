"""A drop-in for HailoRT's Python package that emulates a Hailo-10H; see emulator/README.md.

`EMULATED` is the one honest mark: the real package has no such name.
"""

from hailo_platform._emulator import log
from hailo_platform._emulator.errors import EmulatorAssertion
from hailo_platform._emulator.settings import settings
from hailo_platform.pyhailort.pyhailort import (
    Device,
    FormatOrder,
    HailoCommunicationClosedException,
    HailoRTException,
    HailoRTStreamAbortedByUser,
    HailoSchedulingAlgorithm,
    VDevice,
)

EMULATED = True
__version__ = settings().version
log.open_files()

__all__ = [
    "EMULATED",
    "Device",
    "EmulatorAssertion",
    "FormatOrder",
    "HailoCommunicationClosedException",
    "HailoRTException",
    "HailoRTStreamAbortedByUser",
    "HailoSchedulingAlgorithm",
    "VDevice",
]
