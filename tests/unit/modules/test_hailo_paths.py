"""Keeping files, folders and links as they should be."""

import grp
import os
import pwd
import time
from pathlib import Path
from typing import Any

import pytest
from support.modules import load

from .conftest import Run

paths = load("plugins/modules/hailo_paths.py", "hailo_paths")


@pytest.fixture
def me() -> dict[str, str]:
    """Owner and group of whoever runs the test."""
    return {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


@pytest.fixture
def items(tmp_path: Path, me: dict[str, str]) -> list[dict[str, Any]]:
    """A folder, a file in it and a link to that."""
    return [
        {"path": str(tmp_path / "etc"), "state": "directory", **me},
        {"path": str(tmp_path / "etc" / "file"), "content": "one\n", "mode": "0640", **me},
        {"path": str(tmp_path / "link"), "state": "link", "target": "etc/file", **me},
    ]


def test_a_list_is_brought_about_once(run: Run, items: list[dict[str, Any]], tmp_path: Path) -> None:
    first = run(paths, paths=items)
    assert first["changed_paths"] == [item["path"] for item in items]
    assert (tmp_path / "link").read_text() == "one\n"
    assert (tmp_path / "etc" / "file").stat().st_mode & 0o7777 == 0o640
    second = run(paths, paths=items)
    assert (second["changed"], second["changed_paths"], second["diff"]) == (False, [], [])


def test_each_reader_is_told_with_the_newest_that_it_reads(
    run: Run, items: list[dict[str, Any]], tmp_path: Path
) -> None:
    for item in items[1:]:
        item["read_by"] = "reader.service"
    gone = {"path": str(tmp_path / "gone"), "state": "absent", "read_by": "other.service"}
    now = time.time()
    assert run(paths, paths=[*items, gone])["newest"]["reader.service"] > now
    os.utime(tmp_path / "etc" / "file", (7, 7))
    os.utime(tmp_path / "link", (8, 8), follow_symlinks=False)
    assert run(paths, paths=[*items, gone])["newest"] == {"reader.service": 8, "other.service": 0}
    os.utime(tmp_path / "etc" / "file", (9, 9))
    assert run(paths, paths=[*items, gone])["newest"]["reader.service"] == 9
    # Of a clock that was wrong: it would be newer than all that runs, for as long.
    os.utime(tmp_path / "etc" / "file", (now + 9000, now + 9000))
    assert run(paths, paths=[*items, gone])["newest"]["reader.service"] == 8


def test_check_mode_shows_the_diff_and_touches_nothing(
    run: Run, items: list[dict[str, Any]], tmp_path: Path
) -> None:
    result = run(paths, check=True, paths=items)
    assert result["diff"][1]["after"] == "one\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["text", "mode", "gone", "folder"])
def test_a_hand_edit_is_seen_and_undone(
    run: Run, items: list[dict[str, Any]], tmp_path: Path, damage: str
) -> None:
    run(paths, paths=items)
    file = tmp_path / "etc" / "file"
    if damage == "text":
        file.write_text("two\n")
    elif damage == "mode":
        file.chmod(0o666)
    else:
        file.unlink()
        if damage == "folder":
            file.mkdir()
    assert run(paths, paths=items)["changed_paths"] == [str(file)]
    assert file.read_text() == "one\n"
    assert file.stat().st_mode & 0o7777 == 0o640


def test_a_link_of_roots_to_a_folder_counts_as_the_folder(
    run: Run, items: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "etc").symlink_to("disk")
    assert run(paths, paths=items)["changed_paths"][0] == str(tmp_path / "etc")
    assert (tmp_path / "etc").is_symlink()
    assert (tmp_path / "disk").stat().st_mode & 0o777 == 0o755
    assert run(paths, paths=items)["changed"] is False


def test_a_link_of_somebody_elses_is_replaced_by_the_folder(
    run: Run, items: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "etc").symlink_to("disk")
    os.lchown(tmp_path / "etc", 65534, -1)
    run(paths, paths=items)
    assert not (tmp_path / "etc").is_symlink()
    assert list((tmp_path / "disk").iterdir()) == []


@pytest.mark.parametrize(("wanted", "mask"), [("a/b/c", 0o077), ("a", 0o027)])
def test_parents_are_open_whatever_the_umask(
    run: Run, me: dict[str, str], tmp_path: Path, wanted: str, mask: int
) -> None:
    before = os.umask(mask)
    try:
        run(paths, paths=[{"path": str(tmp_path / wanted), "state": "directory", **me}])
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755


def test_nothing_is_replaced_if_one_text_is_refused(
    run: Run, items: list[dict[str, Any]], tmp_path: Path
) -> None:
    run(paths, paths=items)
    good = {**items[1], "content": "two\n"}
    bad = {**items[1], "path": str(tmp_path / "etc" / "bad"), "content": "x"}
    bad["validate"] = ["/bin/sh", "-c", "echo %s:1: key: wrong >&2; exit 2"]
    result = run(paths, paths=[good, bad])
    assert result["msg"].endswith(f"{bad['path']}:1: key: wrong")
    assert (tmp_path / "etc" / "file").read_text() == "one\n"


def test_a_file_that_is_as_it_should_be_is_not_judged_again(run: Run, items: list[dict[str, Any]]) -> None:
    run(paths, paths=items)
    items[1]["validate"] = ["/bin/false"]
    assert run(paths, paths=items)["changed"] is False


def test_the_replaced_file_is_kept_if_asked(run: Run, items: list[dict[str, Any]], tmp_path: Path) -> None:
    run(paths, paths=items)
    run(paths, paths=[{**items[1], "content": "two\n", "backup": True}])
    assert (tmp_path / "etc" / "file~").read_text() == "one\n"


def test_a_folder_is_emptied_by_removing_and_making_it(
    run: Run, items: list[dict[str, Any]], tmp_path: Path
) -> None:
    run(paths, paths=items)
    run(paths, paths=[{"path": items[0]["path"], "state": "absent"}, items[0]])
    assert list((tmp_path / "etc").iterdir()) == []


def test_vacated_removes_only_empty_folders(run: Run, items: list[dict[str, Any]], tmp_path: Path) -> None:
    run(paths, paths=items)
    vacated = {"path": items[0]["path"], "state": "vacated"}
    assert run(paths, paths=[vacated])["changed"] is False
    (tmp_path / "etc" / "file").unlink()
    assert run(paths, paths=[vacated])["changed"] is True
    assert not (tmp_path / "etc").exists()
    assert run(paths, paths=[vacated])["changed"] is False


def test_an_unknown_owner_is_named(run: Run, items: list[dict[str, Any]]) -> None:
    items[0]["owner"] = "nobody-of-this-name"
    assert "nobody-of-this-name" in run(paths, paths=items)["msg"]


def test_a_secret_is_written_and_never_shown(
    run: Run, tmp_path: Path, me: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    item = {"path": str(tmp_path / "keys"), "secret": "sk-very-secret\n", "mode": "0600", **me}
    result = run(paths, paths=[item])
    assert (tmp_path / "keys").read_text() == "sk-very-secret\n"
    assert "sk-very" not in str(result)
    again = run(paths, paths=[{**item, "secret": "sk-another-one\n"}])
    assert again["changed"] is True
    assert "sk-" not in str(again["diff"])


def test_a_folder_into_which_somebody_still_writes_is_removed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "release"
    folder.mkdir()
    remove, failures = paths.shutil.rmtree, [OSError(39, "Directory not empty")]

    def rmtree(path: str) -> None:
        if failures:
            raise failures.pop()
        remove(path)

    monkeypatch.setattr(paths.shutil, "rmtree", rmtree)
    monkeypatch.setattr(paths.time, "sleep", lambda seconds: None)
    assert run(paths, paths=[{"path": str(folder), "state": "absent"}])["changed"] is True
    assert not folder.exists()
