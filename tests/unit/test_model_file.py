"""Which model file is taken, and what keeps a missing one from being fetched."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.mirror import MODEL, Mirror, serve

from hailo_vision.config import ModelConfig
from hailo_vision.npu.model_file import ModelFile
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.protocol import Problem


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve() as mirror:
        yield mirror


def model_file(folder: Path, url: str | None = None, hef_path: str | None = None) -> ModelFile:
    resources, fetched = str(folder / "resources"), str(folder / "fetched")
    return ModelFile(ModelConfig(hef_path=hef_path, resources_dir=resources, url=url, fetched_dir=fetched))


async def problem_of(file: ModelFile) -> Problem:
    with pytest.raises(NpuError) as caught:
        await file.fetch(lambda: None)
    return caught.value.problem


def put(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(MODEL)
    return path


def test_what_root_put_in_place_comes_before_what_was_fetched(tmp_path: Path) -> None:
    file = model_file(tmp_path, "http://files.example/model.hef")
    assert file.find() is None
    assert file.fetchable()
    fetched = put(tmp_path / "fetched" / "qwen2-vl-2b-instruct.hef")
    assert file.find() == fetched
    assert not file.fetchable()
    placed = put(tmp_path / "resources" / "Qwen2-VL-2B-Instruct.hef")
    assert file.find() == placed


def test_a_named_file_comes_first_and_nothing_is_fetched_without_an_address(tmp_path: Path) -> None:
    put(tmp_path / "resources" / "Qwen2-VL-2B-Instruct.hef")
    named = tmp_path / "named.hef"
    file = model_file(tmp_path, hef_path=str(named))
    assert file.find() is None
    assert not file.fetchable()
    assert file.find() is None
    put(named)
    assert file.find() == named


async def test_a_full_disk_is_told_before_the_transfer(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    problem = await problem_of(model_file(tmp_path, mirror.url))
    assert (problem.code, problem.recovery) == ("hef_fetch_failed", "retry")
    assert "has 0.0 GB free and the model needs 0.0 GB more" in problem.message
    assert "room" in problem.cure


async def test_a_disk_that_fills_up_meanwhile_is_told(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hailo_vision.npu.hef.os.fsync", full)
    problem = await problem_of(model_file(tmp_path, mirror.url))
    assert problem.message.endswith("fetched: No space left on device.")
    assert problem.cure


async def test_an_address_is_told_without_what_may_be_secret_in_it(tmp_path: Path, mirror: Mirror) -> None:
    mirror.status = 404
    problem = await problem_of(model_file(tmp_path, f"{mirror.url}?token=s3cret"))
    assert f"{mirror.url} answered 404" in problem.message
    assert "s3cret" not in problem.message + problem.cure
    dead = await problem_of(model_file(tmp_path, "http://127.0.0.1:1/model.hef"))
    assert "can't be reached" in dead.message
