"""Where the model file is looked for."""

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
