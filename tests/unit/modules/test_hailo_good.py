"""Keeping the state that works and going back to it."""

from pathlib import Path
from typing import Any

import pytest
from support.modules import load

state = load("plugins/module_utils/hailo_state.py", "hailo_state")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, str]:
    """A configuration, a unit and the link to the release, as on a host."""
    current = tmp_path / "current"
    monkeypatch.setattr(state, "CURRENT", str(current))
    (tmp_path / "config").write_text("one\n")
    (tmp_path / "config").chmod(0o640)
    (tmp_path / "unit").write_text("[Unit]\n")
    current.symlink_to("releases/1")
    return (str(tmp_path / "config"), str(tmp_path / "unit"), str(current))


def switch(paths: tuple[str, str, str], text: str, release: str) -> None:
    Path(paths[0]).write_text(text)
    Path(paths[2]).unlink()
    Path(paths[2]).symlink_to(f"releases/{release}")


def test_what_was_kept_comes_back(paths: tuple[str, str, str], tmp_path: Path) -> None:
    state.keep(state.capture(paths), str(tmp_path / "good"))
    switch(paths, "two\n", "2")
    Path(paths[0]).chmod(0o600)
    kept = state.load("last", str(tmp_path / "good"))
    assert state.restore(kept, paths) == [paths[0], paths[2]]
    assert state.capture(paths) == kept
    assert Path(paths[0]).stat().st_mode & 0o777 == 0o640
    assert state.restore(kept, paths) == []


def test_a_file_that_is_gone_comes_back(paths: tuple[str, str, str], tmp_path: Path) -> None:
    kept = state.capture(paths)
    Path(paths[1]).unlink()
    assert state.restore(kept, paths) == [paths[1]]
    assert Path(paths[1]).read_text() == "[Unit]\n"


def test_a_file_that_was_not_there_goes(paths: tuple[str, str, str]) -> None:
    Path(paths[1]).unlink()
    kept = state.capture(paths)
    Path(paths[1]).write_text("new\n")
    assert state.restore(kept, paths) == [paths[1]]
    assert not Path(paths[1]).exists()


def test_the_previous_state_is_that_of_another_release(paths: Any, tmp_path: Path) -> None:
    folder = str(tmp_path / "good")
    state.keep(state.capture(paths), folder)
    switch(paths, "same release, other setting\n", "1")
    state.keep(state.capture(paths), folder)
    assert state.load("previous", folder) == []
    switch(paths, "new release\n", "2")
    state.keep(state.capture(paths), folder)
    previous = state.load("previous", folder)
    assert (state.release(previous), previous[0]["text"]) == ("1", "same release, other setting\n")
    assert state.release(state.load("last", folder)) == "2"


def test_only_root_reads_what_is_kept(paths: tuple[str, str, str], tmp_path: Path) -> None:
    state.keep(state.capture(paths), str(tmp_path / "good"))
    assert (tmp_path / "good").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "good" / "last.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ['[{"path": "/etc', "[1, 2]", '{"path": "/etc"}', '[{"text": ""}]'])
def test_a_torn_or_foreign_record_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "last.json").write_text(text)
    assert state.load("last", str(tmp_path)) == []


def test_a_key_that_was_revoked_does_not_come_back_but_a_missing_one_does(
    paths: tuple[str, str, str],
) -> None:
    kept = state.capture(paths)
    switch(paths, "another key\n", "2")
    assert state.restore(kept, paths, spared=(paths[0],)) == [paths[2]]
    assert Path(paths[0]).read_text() == "another key\n"
    Path(paths[0]).unlink()
    assert state.restore(kept, paths, spared=(paths[0],)) == [paths[0]]
    assert Path(paths[0]).read_text() == "one\n"


def test_another_driver_makes_a_previous_state_too(paths: tuple[str, str, str], tmp_path: Path) -> None:
    folder = str(tmp_path / "good")
    for version in ("5.1.0", "5.1.1"):
        state.keep([*state.capture(paths), {"path": state.PACKAGES, "versions": {"h10": version}}], folder)
    assert state.packages(state.load("previous", folder)) == {"h10": "5.1.0"}
    assert state.restore(state.load("previous", folder), paths) == []
