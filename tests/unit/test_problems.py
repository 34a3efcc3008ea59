"""What HailoRT's failures mean."""

import os
import subprocess
from pathlib import Path
from subprocess import PIPE

import pytest

from hailo_vision.npu.hef import sdk_version
from hailo_vision.npu.problems import (
    loading_problem,
    opening_problem,
    runtime_problem,
    status_of,
)
from hailo_vision.npu.protocol import Problem


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


def loading(error: Exception, path: Path, *, runtime: str = "5.1.1", seconds: float = 1.0) -> Problem:
    return loading_problem(error, path, runtime, [str(path.parent / "hailo0")], seconds)


def make_hef(path: Path, version: str = "5.3.0") -> Path:
    path.write_bytes(b"\x01\x48\x45\x46" + b"sdk-version: " + version.encode())
    return path


def test_a_refused_model_is_too_new_as_far_as_its_header_tells(tmp_path: Path) -> None:
    hef = make_hef(tmp_path / "model.hef")
    error = HailoRTStatusException("6")
    assert sdk_version(hef) == "5.3.0"
    assert loading(error, hef).code == "hef_too_new"
    assert loading(error, hef, runtime="5.3.0").code == "hef_refused"
    assert "a newer HailoRT, as it seems" in loading(error, tmp_path / "none.hef").message


@pytest.mark.parametrize("status", ["14", "26", "91", "92"])
def test_what_is_no_model_is_told_by_its_size_and_first_bytes(status: str, tmp_path: Path) -> None:
    page = tmp_path / "model.hef"
    page.write_bytes(b"<html><body>Not found</body>")
    problem = loading(HailoRTStatusException(status), page)
    assert (problem.code, problem.recovery, problem.status) == ("hef_invalid", "hef", int(status))
    assert "is no model file: it has 28 bytes and begins with b'<html><body>Not " in problem.message
    assert "is damaged" in loading(HailoRTStatusException(status), make_hef(page)).message
    assert "not a regular file" in loading(HailoRTStatusException(status), tmp_path).message


def test_a_load_that_runs_into_hailorts_own_limit_tells_the_storages_rate(tmp_path: Path) -> None:
    hef = make_hef(tmp_path / "model.hef")
    os.truncate(hef, 2_180_000_000)
    problem = loading(HailoRTStatusException("4"), hef, seconds=121.0)
    assert problem.code == "slow_storage"
    assert "has 2180 MB, of which 18.0 MB/s came; 18 MB/s are needed" in problem.message
    assert "model.load_timeout can't lengthen it" in problem.cure
    assert loading(HailoRTStatusException("4"), hef, seconds=11.0).code == "npu_timeout"


def test_a_chip_that_takes_no_model_is_busy_and_only_without_a_holder_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, hef, node = HailoRTStatusException("62"), tmp_path / "model.hef", tmp_path / "hailo0"
    node.touch()
    holds = f"exec 3<{node}; echo ready; read line"
    with subprocess.Popen(["sh", "-c", holds], stdin=PIPE, stdout=PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        busy = loading(error, hef)
    assert busy.code == "device_busy"
    assert f"sh (pid {holder.pid}" in busy.message
    lost = loading(error, hef)
    assert lost.code == "device_lost"
    assert "power-cycle" in lost.cure
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for a user who can't look into others' processes
    unseen = loading(error, hef)
    assert (unseen.code, "can't be seen" in unseen.message) == ("device_busy", True)


STATUSES = [3, 4, 6, 7, 8, 13, 36, 61, 62, 64, 71, 73, 74, 76, 79, 81, 85, 86, 87, 88, 89, 93, 96, 97]


@pytest.mark.parametrize("status", STATUSES)
def test_every_known_status_has_a_cause_and_a_cure(status: int, tmp_path: Path) -> None:
    (tmp_path / "hailo0").touch()
    problem = opening_problem(HailoRTStatusException(str(status)), [str(tmp_path / "hailo0")])
    assert problem.status == status
    assert problem.cure != runtime_problem(HailoRTException("unheard of")).cure
    assert len(problem.message) > 20


def test_what_is_unknown_is_told_in_hailorts_words() -> None:
    problem = runtime_problem(HailoRTException("libhailort failed with error: 65 (HAILO_NOT_AVAILABLE)"))
    assert problem.code == "npu_error"
    assert "HAILO_NOT_AVAILABLE" in problem.message
    assert problem.status == 65
