"""Who has the device open."""

import os
from pathlib import Path

import pytest

from hailo_vision.npu import holders
from hailo_vision.npu.holders import holders_of


def process(proc: Path, number: int, name: str, cgroup: str, *opened: Path) -> None:
    folder = proc / str(number)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cgroup").write_text(f"0::{cgroup}\n")
    for descriptor, path in enumerate(opened):
        (folder / "fd" / str(descriptor)).symlink_to(path)


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc of our own, with an init that can be looked into."""
    monkeypatch.setattr(holders, "_PROC", tmp_path / "proc")
    process(tmp_path / "proc", 1, "systemd", "/init.scope", Path("/dev/null"))
    (tmp_path / "proc" / "meminfo").touch()
    return tmp_path / "proc"


def test_a_holder_is_named_with_its_unit(proc: Path, tmp_path: Path) -> None:
    node = tmp_path / "hailo0"
    process(proc, 812, "hailo-ollama", "/system.slice/hailo-ollama.service", Path("/dev/null"), node)
    process(proc, 900, "python3", "/user.slice/user-1000.slice/session-3.scope", node)
    process(proc, 901, "cat", "/", node)
    process(proc, 902, "bash", "/system.slice/cron.service", Path("/dev/null"))
    process(proc, os.getpid(), "ourselves", "/system.slice/hailo-vision.service", node)
    assert sorted(holders_of([str(node), "/dev/h1x-0"]) or []) == [
        "cat (pid 901)",
        "hailo-ollama (pid 812, hailo-ollama.service)",
        "python3 (pid 900, session-3.scope)",
    ]


def test_nobody_is_only_told_where_everybody_can_be_seen(
    proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert holders_of([str(tmp_path / "hailo0")]) == []
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert holders_of([str(tmp_path / "hailo0")]) is None


def test_a_process_that_ends_meanwhile_is_passed_over(proc: Path, tmp_path: Path) -> None:
    (proc / "77").mkdir()
    assert holders_of([str(tmp_path / "hailo0")]) == []
