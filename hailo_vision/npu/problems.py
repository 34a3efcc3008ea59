"""Everything that can go wrong with the NPU, with its cause and its cure.

HailoRT's numbers are those of hailort/libhailort/include/hailo/hailort.h (hailo_status).
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hailo_vision.files import require_regular
from hailo_vision.npu import hef
from hailo_vision.npu.holders import holders_of
from hailo_vision.npu.protocol import Problem

TIMEOUT, INVALID_OPERATION, INTERNAL_FAILURE, COMMUNICATION_CLOSED = 4, 6, 8, 62

_STATUS_OF_CLASS = {
    "HailoRTTimeout": TIMEOUT,
    "HailoRTInvalidOperationException": INVALID_OPERATION,
    "HailoRTInvalidArgumentException": 2,
    "HailoRTNotFoundException": 61,
    "HailoRTInvalidHEFException": 26,
    "HailoRTHEFNotCompatibleWithDevice": 93,
    "HailoRTDriverOperationFailedException": 36,
    "HailoCommunicationClosedException": COMMUNICATION_CLOSED,
    "HailoRTStreamAborted": 63,
}
_BINDINGS = {"hailo_platform", "_pyhailort"}  # HailoRT's Python package, and its native module

# HailoRT gives up a transfer to the chip after so long, whatever its caller would wait (session_wrapper.hpp).
_TRANSFER_SECONDS = 120
_RELOAD = "No action is needed: the model is loaded again."
_SEE_BOTH_LOGS = "see hailort.log and the chip's own log (hailortcli logs runtime)."
POWER_CYCLE = (
    "The NPU process is restarted. If it comes back, power-cycle the Pi (a reboot keeps the chip "
    "powered), check the power supply, and try pcie_aspm=off in cmdline.txt."
)
ONE_VERSION = (
    "Install one version of h10-hailort, h10-hailort-pcie-driver and python3-h10-hailort, then reboot."
)
REPLACE_HEF = "Delete it and run the playbook again (role hailo_model)."
SAME_RELEASE = "Install the HEF of the installed runtime's version (role hailo_model)."

_LOST = Problem("device_lost", "The link to the Hailo chip was lost.", POWER_CYCLE)
_VERSIONS_DIFFER = Problem(
    "driver_mismatch", "The versions of Hailo's driver, library and firmware differ.", ONE_VERSION, "never"
)
_BY_STATUS: dict[int | None, Problem] = {
    3: Problem(
        "out_of_memory", "The Pi is out of memory.", "Free memory or raise resource_limits.memory_max."
    ),
    TIMEOUT: Problem(
        "npu_timeout",
        "The chip did not answer HailoRT in time.",
        "It is tried again. If it comes back, see hailort.log and power-cycle the Pi.",
    ),
    INVALID_OPERATION: Problem(
        "model_poisoned", "The model refuses further work after a failed generation.", _RELOAD
    ),
    7: Problem(
        "not_implemented", "This HailoRT lacks a function.", "Install HailoRT 5.1.1 or newer.", "never"
    ),
    INTERNAL_FAILURE: Problem(
        "npu_error",
        "HailoRT failed internally (HAILO_INTERNAL_FAILURE).",
        f"The model is loaded again. If it comes back, {_SEE_BOTH_LOGS}",
    ),
    13: Problem("hef_unreadable", "{hef} can't be opened.", "Check the file and its permissions.", "hef"),
    61: Problem(
        "hef_unfit", "HailoRT did not find a part of {hef}: they are not of one release.", SAME_RELEASE, "hef"
    ),
    64: Problem(
        "driver_missing",
        "Hailo's driver is not loaded.",
        "Install h10-hailort-pcie-driver for the running kernel, then reboot.",
    ),
    71: Problem(
        "npu_memory", "The NPU's memory is full.", "Stop other services that have models loaded on the chip."
    ),
    79: Problem(
        "not_supported",
        "The chip can't run language models with this HailoRT.",
        "Check with `hailortcli fw-control identify` that it is a Hailo-10H, and that driver, library and "
        "firmware are of one version.",
        "never",
    ),
    81: Problem(
        "cma_exhausted",
        "The kernel's contiguous memory (CMA) is used up; HailoRT gives it back only at a reboot.",
        "Reboot the Pi. If it comes back soon, set dtoverlay=cma,cma-512 in config.txt.",
        "never",
    ),
    87: Problem("device_lost", "Hailo's driver waited for the chip without an answer.", POWER_CYCLE),
    88: Problem("npu_interrupted", "A signal interrupted HailoRT.", _RELOAD),
    89: Problem(
        "device_lost",
        "The program on the chip that answers requests is not running: it starts anew, or the chip hangs.",
        "It is tried again. If it stays so, take the power from the Pi for ten seconds: a reboot may leave "
        "the chip as it is.",
    ),
    93: Problem(
        "hef_wrong_device", "{hef} was compiled for another chip.", "Install the Hailo-10H's HEF.", "hef"
    ),
    **dict.fromkeys((36, COMMUNICATION_CLOSED, 96, 97), _LOST),
    **dict.fromkeys((76, 85, 86), _VERSIONS_DIFFER),
}
_NO_MODEL = {14, 26, 91, 92}
_IN_USE = {73, 74}
_NODE_TELLS = {13, 36, *_IN_USE}


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
    problem = None
    if status in _NODE_TELLS or status not in _BY_STATUS:
        problem = node_problem(nodes)
    if problem is None and status in _IN_USE:
        problem = Problem(
            "device_busy",
            f"Another program holds the Hailo device in another device group{_told(holders_of(nodes))}.",
            f"Stop it, or give both the same group (npu.device_group; hailo-apps use SHARED). {_find(nodes)}",
        )
    return _with_status(problem or runtime_problem(error), status)


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
            f"The service's user is not allowed to open {present[0]}.",
            "Install the udev rule of the hailo_driver role and add the user to its group.",
        )
    return None


def loading_problem(
    error: BaseException, path: Path, runtime_version: str, nodes: Sequence[str], seconds: float
) -> Problem:
    """Why the model could not be loaded; seconds: how long it took to fail."""
    status = status_of(error)
    if status == INVALID_OPERATION:
        problem = _refused(path, runtime_version)
    elif status == COMMUNICATION_CLOSED:
        problem = _model_in_the_way(nodes)
    elif status == TIMEOUT and seconds > 0.9 * _TRANSFER_SECONDS:
        problem = _slow_storage(path, seconds)
    elif status == INTERNAL_FAILURE:
        problem = Problem(
            "hef_not_genai",
            f"HailoRT failed internally while loading {path}, as it does if a file holds no language model.",
            f"Is it the served model's HEF? If so, {_SEE_BOTH_LOGS}",
        )
    elif status in _NO_MODEL:
        problem = bad_file(path)
    else:
        problem = runtime_problem(error, path)
    return _with_status(problem, status)


def bad_file(path: Path) -> Problem:
    """A file that is no model, or a damaged one, told by its size and first bytes."""
    try:
        require_regular(path)
        begins = f"has {path.stat().st_size} bytes and begins with {hef.read_head(path, 16)!r}"
    except OSError as error:
        begins = f"can't be read ({error.strerror})"
    kind = "is damaged" if hef.has_magic(path) else "is no model file"
    return Problem("hef_invalid", f"{path} {kind}: it {begins}.", REPLACE_HEF, "hef")


def _refused(path: Path, runtime_version: str) -> Problem:
    compiled_for = hef.sdk_version(path)
    if compiled_for and not hef.is_newer(compiled_for, runtime_version):
        said = f"HailoRT {runtime_version} refuses {path}, which was compiled for {compiled_for}."
        return Problem("hef_refused", said, SAME_RELEASE, "hef")
    known = f"HailoRT {compiled_for}" if compiled_for else "a newer HailoRT, as it seems"
    said = f"{path} was compiled for {known}, but {runtime_version} is installed."
    return Problem("hef_too_new", said, SAME_RELEASE, "hef")


def _model_in_the_way(nodes: Sequence[str]) -> Problem:
    """A chip that takes no model (5.2.0): it closes the connection at once."""
    holders = holders_of(nodes)
    if holders == []:
        return _LOST
    return Problem(
        "device_busy",
        f"Another program has a language model on the chip, which holds one at a time{_told(holders)}.",
        f"Stop it, or let it unload its model. {_find(nodes)}",
    )


def _told(holders: list[str] | None) -> str:
    return f": {', '.join(holders)}" if holders else "; which one can't be seen from here"


def _find(nodes: Sequence[str]) -> str:
    node = next((node for node in nodes if os.path.exists(node)), nodes[0])
    return f"`sudo fuser -v {node}` names who has the device open; if nobody has, power-cycle the Pi."


def _slow_storage(path: Path, seconds: float) -> Problem:
    size = path.stat().st_size / 1e6
    return Problem(
        "slow_storage",
        f"HailoRT gives up a load after {_TRANSFER_SECONDS} s: {path} has {size:.0f} MB, of which "
        f"{size / seconds:.1f} MB/s came; {size / _TRANSFER_SECONDS:.0f} MB/s are needed.",
        "Put the model on faster storage (NVMe, USB 3, an A2 card), look for input/output errors in "
        "`journalctl -k`, and let nothing else read meanwhile. model.load_timeout can't lengthen it.",
    )


def runtime_problem(error: BaseException, path: Path | None = None) -> Problem:
    """What a failed call of HailoRT means, by its status alone; path: the model file that it was about."""
    status = status_of(error)
    problem = _BY_STATUS.get(status)
    if problem is None:
        said = f"HailoRT failed: {type(error).__name__}: {error}"
        problem = Problem("npu_error", said, "See hailort.log in the service's state directory.")
    message = problem.message.replace("{hef}", str(path or "the model file"))
    return msgspec.structs.replace(problem, message=message, status=status)


def _with_status(problem: Problem, status: int | None) -> Problem:
    return msgspec.structs.replace(problem, status=status)
