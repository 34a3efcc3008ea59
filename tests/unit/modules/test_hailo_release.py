"""What a release is made of, and how a host tells that it is still whole."""

import os
from pathlib import Path
from typing import Any

import pytest
from support.modules import TOP, load, shared

wheelhouse = load("plugins/action/hailo_wheelhouse.py", "hailo_wheelhouse")
tree = shared("hailo_tree")

LOCK = """\
# a comment
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via x
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:cc
uvloop==0.23.0 ; sys_platform != 'win32' \\
    --hash=sha256:dd
"""


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    """Arguments for a host with Python 3.13."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    return {
        "source": str(TOP),
        "lock": str(lock),
        "wheel": "",
        "python": "3.13",
        "machine": "aarch64",
        "glibc": "2.41",
        "dest": str(tmp_path / "wheelhouse"),
    }


@pytest.mark.parametrize(("python", "numpy"), [("3.11", "2.4.6"), ("3.12", "2.5.5"), ("3.13", "2.5.5")])
def test_conditions_are_judged_for_the_hosts_python(params: dict[str, Any], python: str, numpy: str) -> None:
    kept = wheelhouse.requirements(Path(params["lock"]), python, "aarch64")
    assert [line.split()[0] for line in kept.splitlines() if "==" in line] == [
        f"numpy=={numpy}",
        "uvloop==0.23.0",
    ]
    assert " ; " not in kept


def test_every_entry_of_the_real_lock_file_is_understood(params: dict[str, Any]) -> None:
    lock = TOP / "roles/hailo_vision/files/requirements.lock"
    names = {line.split("==")[0] for line in lock.read_text().splitlines() if line[:1].isalpha()}
    kept = wheelhouse.requirements(lock, "3.13", "aarch64")
    assert {line.split("==")[0] for line in kept.splitlines() if line[:1].isalpha()} == names
    assert kept.count("--hash=") > len(names)


def test_wheels_for_older_c_libraries_are_taken_and_newer_ones_not() -> None:
    names = wheelhouse.platforms("aarch64", "2.36")
    assert names[0] == "manylinux_2_36_aarch64"
    assert "manylinux_2_17_aarch64" in names
    assert "manylinux_2_41_aarch64" not in names


def test_a_release_is_named_by_all_that_goes_into_it(params: dict[str, Any]) -> None:
    first = wheelhouse.collect(params, check=True)["release"]
    assert wheelhouse.collect(params, check=True)["release"] == first
    assert wheelhouse.collect({**params, "python": "3.11"}, check=True)["release"] != first
    elsewhere = [Path(params["dest"]).with_name(name) / "requirements.lock" for name in ("0", "z")]
    for lock in elsewhere:
        lock.parent.mkdir()
        lock.write_text(LOCK)
    sources = [Path(params["lock"]).with_name(name) / "sources" for name in ("0", "z")]
    for link in sources:
        link.symlink_to(TOP)
    for lock, source in zip(elsewhere, reversed(sources), strict=True):
        where = {"lock": str(lock), "source": str(source)}
        assert wheelhouse.collect({**params, **where}, check=True)["release"] == first
    Path(params["lock"]).write_text(LOCK + "# another\n")
    assert wheelhouse.collect(params, check=True)["release"] != first
    assert not Path(params["dest"]).exists()


def test_an_archive_that_is_there_is_not_made_again(params: dict[str, Any]) -> None:
    archive = Path(wheelhouse.collect(params, check=True)["archive"])
    archive.parent.mkdir()
    archive.touch()
    assert wheelhouse.collect(params)["changed"] is False


@pytest.mark.parametrize("damage", ["edit", "add", "remove", "mode", "link", "root"])
def test_a_sealed_tree_notices_any_change(tmp_path: Path, damage: str) -> None:
    root = tmp_path / "release"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("one")
    (root / "link").symlink_to("bin/tool")
    assert not tree.is_intact(str(root))
    Path(tree.seal_path(str(root))).write_text(tree.fingerprint(str(root)) + "\n")
    (root / "bin" / "__pycache__").mkdir()
    assert tree.is_intact(str(root))
    if damage == "edit":
        (root / "bin" / "tool").write_text("two")
        os.utime(root / "bin" / "tool", ns=(1, 1))
    elif damage == "add":
        (root / "bin" / "more").touch()
    elif damage == "remove":
        (root / "bin" / "tool").unlink()
    elif damage == "mode":
        (root / "bin" / "tool").chmod(0o777)
    elif damage == "root":
        root.chmod(0o700)
    else:
        (root / "link").unlink()
        (root / "link").symlink_to("bin")
    assert not tree.is_intact(str(root))
