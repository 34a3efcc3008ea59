"""What is no regular file in the place of one that the service reads: told at once, and never waited for."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hailo_vision import config
from hailo_vision.http.auth import Keys
from hailo_vision.http.ollama.identity import checksum
from hailo_vision.http.tls import Certificate
from hailo_vision.npu.model_file import ModelFile
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.worker.device import check_file


def keys(path: Path) -> None:
    raise OSError(Keys(path).problem)


@pytest.fixture(params=["pipe", "folder", "socket", "device"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "file"
    with contextlib.ExitStack() as stack:
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "folder":
            path.mkdir()
        elif request.param == "socket":
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        else:
            path.symlink_to("/dev/zero")
        yield path


@pytest.mark.parametrize(
    "read",
    [
        config.load,
        keys,
        lambda path: Certificate(str(path), None),
        lambda path: checksum(path, 0, 0).result(),
    ],
    ids=["configuration", "keys", "certificate", "checksum of the model"],
)
def test_it_is_told(read: Callable[[Path], object], odd: Path) -> None:
    with pytest.raises((OSError, config.ConfigError), match="not a regular file"):
        read(odd)


def test_a_link_to_a_file_is_as_good(tmp_path: Path) -> None:
    """As certbot makes them."""
    (tmp_path / "keys").write_text("sk-1")
    (tmp_path / "link").symlink_to("keys")
    Keys(tmp_path / "link").check("Bearer sk-1", "")


def test_it_tells_of_no_transfer(odd: Path) -> None:
    odd.rename(odd.with_name(".a.hef.part.json"))
    assert not ModelFile(config.ModelConfig(hef_path=str(odd.with_name("a.hef")))).is_fetched()


@pytest.mark.parametrize("odd", ["pipe", "device"], indirect=True)
def test_it_is_no_model(odd: Path) -> None:
    """The others are told by HailoRT."""
    with pytest.raises(NpuError, match=r"is no model file: it can't be read \(not a regular file\)\."):
        check_file(odd, "5.1.1")
