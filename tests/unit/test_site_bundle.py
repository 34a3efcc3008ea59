"""The checksums of a site bundle."""

import subprocess
from pathlib import Path

import pytest
from support.modules import load

plugin = load("plugins/plugin_utils/supplied.py", "hailo_bundle_faults_filter")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Three files, and their checksums by coreutils."""
    (tmp_path / "models").mkdir()
    names = ["models/a model.hef", "wheels.tar", "apps.tar"]
    for name in names:
        (tmp_path / name).write_text(name)
    sums = subprocess.run(["sha256sum", *names], cwd=tmp_path, capture_output=True, check=True)
    (tmp_path / plugin.SUMS).write_bytes(sums.stdout)
    return tmp_path


def test_a_whole_bundle_has_no_faults(bundle: Path) -> None:
    (bundle / "notes.txt").touch()
    assert plugin.bundle_faults(str(bundle)) == []


def test_each_file_that_is_missing_or_cut_is_named(bundle: Path) -> None:
    (bundle / "models/a model.hef").write_text("models/a model.he")
    (bundle / "apps.tar").unlink()
    assert plugin.bundle_faults(str(bundle)) == [
        f"models/a model.hef of the site bundle {bundle} is damaged or cut. Copy it again.",
        f"apps.tar of the site bundle {bundle} can't be read: No such file or directory. Copy it again.",
    ]


def test_a_folder_that_is_no_bundle_is_told(tmp_path: Path) -> None:
    (fault,) = plugin.bundle_faults(str(tmp_path))
    assert fault.startswith(f"{tmp_path} is no site bundle, as SHA256SUMS can't be read there: ")


@pytest.mark.parametrize("folder", [5, None, True, "", ["/media/disk"]])
def test_what_is_no_folder_is_told(folder: object) -> None:
    assert plugin.bundle_faults(folder) == [
        f"hailo_site_bundle is {folder!r}, and the path of a folder is needed."
    ]


@pytest.mark.parametrize(("sums", "fault"), [(b"", "empty"), (b"ab12", "damaged"), (b"\xff\n", "damaged")])
def test_checksums_that_are_cut_or_spoilt_are_told(sums: bytes, fault: str, bundle: Path) -> None:
    """As an empty list, they would say that all is right."""
    (bundle / plugin.SUMS).write_bytes(sums)
    (told,) = plugin.bundle_faults(str(bundle))
    assert told.startswith(f"SHA256SUMS of the site bundle {bundle} is {fault}")
