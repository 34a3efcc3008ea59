"""`hailo-vision ask`: the answer on standard output, what is wrong on standard error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.pictures import DATA
from support.server import Server

PHOTO = DATA / "coffee.jpg"


def ask(url: str, picture: Path = PHOTO, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hailo_vision", "ask", str(picture), "What is this?", "--url", url]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_it_answers(suffix: str, server: Server) -> None:
    done = ask(server.url + suffix)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 20


def test_it_says_what_is_wrong(server: Server, tmp_path: Path) -> None:
    missing = ask(server.url, tmp_path / "none.jpg")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "none.jpg: No such file" in missing.stderr
    (tmp_path / "text.jpg").write_text("text")
    broken = ask(server.url, tmp_path / "text.jpg")
    assert broken.returncode == 1
    assert "no image" in broken.stderr
    unreachable = ask("http://127.0.0.1:9")
    assert unreachable.returncode == 1
    assert "refused" in unreachable.stderr


def test_it_gives_the_key_of_its_environment(make_server: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("sk-one\n")
    server = make_server(config={"auth": {"keys_file": str(tmp_path / "keys")}}).start()
    assert "API key is required" in ask(server.url).stderr
    assert ask(server.url, HAILO_VISION_API_KEY="sk-one").returncode == 0


def test_a_fault_in_the_middle_is_told(make_server: Callable[..., Server]) -> None:
    server = make_server(faults={"crash_after_tokens": 3}).start()
    done = ask(server.url)
    assert done.returncode == 1
    assert "not available" in done.stderr
