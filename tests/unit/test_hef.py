"""Where the model file is looked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hailo_vision.npu import hef


@pytest.mark.parametrize("named", ["{folder}/Other.hef", "Other", "other.hef", None])
def test_a_model_is_found_by_its_path_by_its_name_or_by_the_services(
    named: str | None, tmp_path: Path
) -> None:
    for name in ("Other.hef", "Qwen.hef", "Qwen.txt"):
        (tmp_path / name).touch()
    wanted = tmp_path / ("Other.hef" if named else "Qwen.hef")
    assert hef.find(named and named.format(folder=tmp_path), "qwen", str(tmp_path)) == wanted
    wanted.unlink()
    assert hef.find(named and named.format(folder=tmp_path), "qwen", str(tmp_path)) is None


def test_a_folder_that_is_missing_holds_no_model(tmp_path: Path) -> None:
    assert hef.find(None, "qwen", str(tmp_path / "none")) is None


def test_a_pipe_in_a_models_place_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "Qwen.hef"
    os.mkfifo(pipe)
    told = "import sys, pathlib; from hailo_vision.npu.problems import bad_file; "
    told += "print(bad_file(pathlib.Path(sys.argv[1])).message)"
    run = subprocess.run([sys.executable, "-c", told, pipe], capture_output=True, text=True, timeout=30)
    assert run.stdout == f"{pipe} is no model file: it can't be read (not a regular file).\n"
