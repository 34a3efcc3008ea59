"""What HailoRT's failures mean."""

import os
from pathlib import Path

import pytest

from hailo_vision.npu.hef import sdk_version
from hailo_vision.npu.problems import (
    loading_problem,
    opening_problem,
    runtime_problem,
    status_of,
)


class HailoRTException(Exception):
    __module__ = "hailo_platform.pyhailort.pyhailort"


class HailoRTInvalidOperationException(HailoRTException):
    __module__ = "hailo_platform.pyhailort.pyhailort"


class HailoRTStatusException(Exception):
    __module__ = "hailo_platform.pyhailort._pyhailort"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HailoRTStatusException("74"), 74),
        (HailoRTInvalidOperationException("Invalid operation. See hailort.log for more information"), 6),
        (HailoRTException("libhailort failed with error: 81 (HAILO_OUT_OF_HOST_CMA_MEMORY)"), 81),
        (HailoRTException("no number"), None),
        (IndexError("index 7 is out of bounds for axis 0 with size 5"), None),
        (FileNotFoundError(2, "No such file or directory"), None),
    ],
)
def test_only_hailorts_own_exceptions_have_a_status(error: Exception, status: int | None) -> None:
    assert status_of(error) == status


def test_the_node_tells_apart_what_hailort_reports_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "hailo0"
    error = HailoRTStatusException("74")
    assert opening_problem(error, [str(node)]).code == "device_not_found"
    node.touch()
    assert opening_problem(error, [str(node)]).code == "device_busy"
    monkeypatch.setattr(os, "access", lambda *_: False)
    denied = opening_problem(error, [str(node)])
    assert denied.code == "device_permission"
    assert str(node) in denied.message


def test_a_refused_model_is_too_new_or_in_the_way(tmp_path: Path) -> None:
    hef = tmp_path / "model.hef"
    hef.write_bytes(b"\x01\x48\x45\x46" + b"sdk-version: 5.3.0")
    error = HailoRTStatusException("6")
    assert sdk_version(hef) == "5.3.0"
    assert loading_problem(error, hef, "5.1.1").code == "hef_too_new"
    assert loading_problem(error, hef, "5.3.0").code == "device_busy"


def test_what_is_unknown_is_told_in_hailorts_words() -> None:
    problem = runtime_problem(HailoRTException("libhailort failed with error: 8 (HAILO_INTERNAL_FAILURE)"))
    assert problem.code == "npu_error"
    assert "HAILO_INTERNAL_FAILURE" in problem.message
    assert problem.status == 8
