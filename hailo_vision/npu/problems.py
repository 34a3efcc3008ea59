"""What can go wrong with the NPU, each with its cause and its cure.

HailoRT's numbers are those of hailort/libhailort/include/hailo/hailort.h (hailo_status).
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hailo_vision.npu.hef import is_newer, sdk_version
from hailo_vision.npu.protocol import Problem

TIMEOUT, INVALID_OPERATION = 4, 6

_STATUS_OF_CLASS = {
    "HailoRTTimeout": TIMEOUT,
    "HailoRTInvalidOperationException": INVALID_OPERATION,
    "HailoRTInvalidArgumentException": 2,
    "HailoRTNotFoundException": 61,
    "HailoRTInvalidHEFException": 26,
    "HailoRTHEFNotCompatibleWithDevice": 93,
    "HailoRTDriverOperationFailedException": 36,
    "HailoCommunicationClosedException": 62,
    "HailoRTStreamAborted": 63,
}

_BINDINGS = {"hailo_platform", "_pyhailort"}  # HailoRT's Python package, and its native module

_RELOAD = "No action is needed: the model is loaded again."
_POWER_CYCLE = (
    "The NPU process is restarted. If it comes back, power-cycle the Pi (a reboot keeps the chip "
    "powered), check the power supply, and try pcie_aspm=off in cmdline.txt."
)


class NpuError(Exception):
    """Something failed for a known reason."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def status_of(error: BaseException) -> int | None:
    """HailoRT's status number behind an exception of its bindings; None for any other exception.

    The bindings map some statuses to classes and put the number of the others into the text; the
    VLM constructor's HailoRTStatusException has nothing but the number (pyhailort.py, ExceptionWrapper).
    """
    kind = type(error)
    if not _BINDINGS & set(kind.__module__.split(".")):
        return None
    number = re.search(r"\b(\d+)\b", str(error))
    return _STATUS_OF_CLASS.get(kind.__name__, int(number[1]) if number else None)


def opening_problem(error: BaseException, nodes: Sequence[str]) -> Problem:
    """Why the device could not be opened. Its node tells apart what HailoRT reports alike."""
    status = status_of(error)
    if status in _BY_STATUS and status not in _NODE_TELLS:
        return _with_status(_BY_STATUS[status], status)
    in_the_way = node_problem(nodes)
    if in_the_way:
        return msgspec.structs.replace(in_the_way, status=status)
    if status == 74:
        return Problem(
            "device_busy",
            "Another process holds the Hailo device in another device group.",
            "Stop it, or give both the same group (npu.device_group; hailo-apps use SHARED).",
            status=status,
        )
    return runtime_problem(error)


def node_problem(nodes: Sequence[str]) -> Problem | None:
    """Why none of the device nodes can be opened, None if one can."""
    present = [node for node in nodes if os.path.exists(node)]
    if not present:
        return Problem(
            "device_not_found",
            f"There is no Hailo device: none of {', '.join(nodes)} exists.",
            "Check that the AI HAT+ 2 is seated and powered, that the driver package is installed for the "
            "running kernel, and reboot.",
        )
    if not any(os.access(node, os.R_OK | os.W_OK) for node in present):
        return Problem(
            "device_permission",
            f"The user may not open {present[0]}.",
            "Install the udev rule of the hailo_driver role and add the user to its group.",
        )
    return None


def loading_problem(error: BaseException, hef: Path, runtime_version: str) -> Problem:
    """Why the model could not be loaded."""
    status = status_of(error)
    if status == INVALID_OPERATION:
        compiled_for = sdk_version(hef)
        if compiled_for and is_newer(compiled_for, runtime_version):
            return Problem(
                "hef_too_new",
                f"{hef} was compiled for HailoRT {compiled_for}, but {runtime_version} is installed.",
                "Install the HEF of the installed runtime's version.",
                "hef",
                status,
            )
        return Problem(
            "device_busy",
            "Another process has a language model loaded; the chip holds one at a time.",
            "Stop the other service, or let it unload its model.",
            status=status,
        )
    return runtime_problem(error, hef)


def runtime_problem(error: BaseException, hef: Path | None = None) -> Problem:
    """What a failed call of HailoRT means, by its status alone."""
    status = status_of(error)
    if status in _BY_STATUS:
        return _with_status(_BY_STATUS[status], status, hef)
    return Problem(
        "npu_error",
        f"HailoRT failed: {type(error).__name__}: {error}",
        "See hailort.log in the service's state directory.",
        status=status,
    )


def worker_problem(error: BaseException) -> Problem:
    """A fault of the NPU process's own."""
    return Problem(
        "npu_crashed",
        f"The NPU process failed: {type(error).__name__}: {error}",
        "It is restarted. If it comes back, report it with the journal.",
    )


def missing_runtime(error: ImportError) -> Problem:
    return Problem(
        "runtime_missing",
        f"HailoRT's Python package can't be imported: {error}",
        "Install python3-h10-hailort (Raspberry Pi OS Trixie), or create the service's virtual environment "
        "with system site packages and the system's own Python.",
        "never",
    )


def missing_hef(looked_for: str) -> Problem:
    return Problem(
        "hef_missing",
        f"There is no model file: {looked_for}",
        "Run the playbook again (role hailo_model), or set model.hef_path.",
        "hef",
    )


def _with_status(problem: Problem, status: int, hef: Path | None = None) -> Problem:
    message = problem.message.replace("{hef}", str(hef or "the model file"))
    return Problem(problem.code, message, problem.cure, problem.recovery, status)


_VERSIONS_DIFFER = Problem(
    "driver_mismatch",
    "The versions of Hailo's driver, library and firmware differ.",
    "Install one version of h10-hailort, h10-hailort-pcie-driver and python3-h10-hailort, then reboot.",
    "never",
)
_BROKEN_HEF = Problem(
    "hef_invalid",
    "{hef} is truncated or no HEF.",
    "Delete it and run the playbook again (role hailo_model).",
    "hef",
)
_LOST = Problem("device_lost", "The link to the Hailo chip was lost.", _POWER_CYCLE)
_NODE_TELLS = {13, 36, 74}
_BY_STATUS = {
    3: Problem(
        "out_of_memory", "The Pi is out of memory.", "Free memory or raise resource_limits.memory_max."
    ),
    INVALID_OPERATION: Problem(
        "model_poisoned", "The model refuses further work after a failed generation.", _RELOAD
    ),
    7: Problem(
        "not_implemented", "This HailoRT lacks a function.", "Install HailoRT 5.1.1 or newer.", "never"
    ),
    13: Problem("hef_unreadable", "{hef} can't be opened.", "Check the file and its permissions.", "hef"),
    14: _BROKEN_HEF,
    26: _BROKEN_HEF,
    91: _BROKEN_HEF,
    92: Problem(
        "hef_not_genai", "{hef} is no generative model.", "Install the HEF of Qwen2-VL-2B-Instruct.", "hef"
    ),
    93: Problem(
        "hef_wrong_device", "{hef} was compiled for another chip.", "Install the Hailo-10H's HEF.", "hef"
    ),
    36: _LOST,
    62: _LOST,
    96: _LOST,
    97: _LOST,
    71: Problem(
        "npu_memory", "The NPU's memory is full.", "Stop other services that have models loaded on the chip."
    ),
    74: Problem("device_busy", "The Hailo device is in use.", "Stop the process that holds it."),
    76: _VERSIONS_DIFFER,
    85: _VERSIONS_DIFFER,
    86: _VERSIONS_DIFFER,
    81: Problem(
        "cma_exhausted",
        "The kernel's contiguous memory (CMA) is used up; HailoRT gives it back only at a reboot.",
        "Reboot the Pi. If it comes back soon, set dtoverlay=cma,cma-512 in config.txt.",
        "never",
    ),
}
