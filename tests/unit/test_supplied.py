"""What an operator supplies for hosts without an archive, judged before any host gets it."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from support.modules import load

judge = load("plugins/plugin_utils/supplied.py", "hailo_supplied_filter")
supplied = judge.supplied

HOST = {"python": "3.11", "machine": "aarch64"}
METADATA = """\
Metadata-Version: 2.1
Name: hailort
Version: 5.1.1
Requires-Dist: numpy<2; python_version < "3.13"
Requires-Dist: typing_extensions; python_version < "3.8"
Requires-Dist: Net.Addr
Requires-Dist: pytest; extra == "test"
"""


@pytest.fixture
def deb(tmp_path: Path) -> Path:
    """Something that begins as a Debian package does."""
    path = tmp_path / "hailort_5.1.1_arm64.deb"
    path.write_bytes(b"!<arch>\ndebian-binary")
    return path


def wheel(
    folder: Path, tag: str = "cp311-cp311-linux_aarch64", member: str = "hailo_platform/__init__.py"
) -> Path:
    """A wheel that has a module and requirements."""
    path = folder / f"hailort-5.1.1-{tag}.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(member, "")
        file.writestr("hailort-5.1.1.dist-info/METADATA", METADATA)
    return path


def test_good_files_give_their_digests_and_what_the_wheel_needs(tmp_path: Path, deb: Path) -> None:
    result = supplied([str(deb)], str(wheel(tmp_path)), HOST)
    assert result["problems"] == []
    assert set(result["digests"]) == {deb.name, "hailort-5.1.1-cp311-cp311-linux_aarch64.whl"}
    assert result["distribution"] == "hailort"
    assert result["requires"] == ["python3-net-addr", "python3-numpy"]


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    page = tmp_path / "page.deb"
    page.write_text("<!DOCTYPE html>")
    debs = [str(tmp_path / "none.deb"), str(page)]
    missing, html, other = supplied(debs, str(wheel(tmp_path, "cp313-cp313-any")), HOST)["problems"]
    assert missing == f"{tmp_path}/none.deb can't be read on the controller: No such file or directory."
    assert "page.deb is no Debian package: it starts with b'<!DOCTYP'" in html
    assert "cp313-cp313-any, and the host has Python 3.11 on aarch64" in other


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("hailort.whl", b"", "no name of a wheel"),
        ("hailort-5.1.1-py3-none-any.whl", b"<html>", "is no wheel, or not all of one"),
    ],
)
def test_what_is_no_wheel_is_named(tmp_path: Path, deb: Path, name: str, content: bytes, part: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (problem,) = supplied([str(deb)], str(path), HOST)["problems"]
    assert part in problem


def test_another_wheel_is_named(tmp_path: Path, deb: Path) -> None:
    other = wheel(tmp_path, "py3-none-any", "numpy/__init__.py")
    (problem,) = supplied([str(deb)], str(other), HOST)["problems"]
    assert "is not HailoRT's Python module" in problem


def test_a_tar_archive_that_was_cut_is_not_whole(tmp_path: Path) -> None:
    """Also where a file in it ends, which tar takes for the end of all."""
    path = tmp_path / "tree.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "one")
        archive.add(__file__, "two")
    whole = path.read_bytes()
    assert judge.whole_tar(str(path))
    for length in (0, 100, whole.index(b"two"), len(whole) // 2):
        path.write_bytes(whole[:length])
        assert not judge.whole_tar(str(path)), length
