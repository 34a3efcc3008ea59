"""The files inside the emulated vendor's packages, at the places where the real ones have theirs."""

import os
import shutil
from pathlib import Path

_EMULATOR = Path(__file__).resolve().parents[1]
_FILES = Path(__file__).resolve().parent / "files"
_RELEASE = "5.1.1"  # what the copied files say
_FIRMWARE = ("customer_certificate.bin", "scu_fw.bin", "u-boot-spl.bin", "fitImage", "image-fs")


def runtime(root: Path) -> None:
    """``/usr/bin/hailortcli``."""
    _copy(_EMULATOR / "bin" / "hailortcli", root / "usr/bin/hailortcli", 0o755)


def bindings(version: str, root: Path) -> None:
    """``hailo_platform`` for the system's Python: a venv sees it only with --system-site-packages."""
    package(version, root / "usr/lib/python3/dist-packages")


def package(version: str, folder: Path) -> None:
    """``hailo_platform`` in a folder of Python packages, emulating a release."""
    target = folder / "hailo_platform"
    bytecode = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(_EMULATOR / "hailo_platform", target, ignore=bytecode)
    release = target / "_emulator" / "release.py"
    release.write_text(release.read_text().replace(f'"{_RELEASE}"', f'"{version}"'))
    # Byte code counts as current if its source had this size and time: two releases must not share them.
    stamp = 1_000_000_000 + int(version.replace(".", ""))
    os.utime(release, (stamp, stamp))


def driver(version: str, root: Path) -> None:
    """The device node, which like the real one is there only after a boot.

    The unit is wanted by sysinit.target through a link in the package, so that installing starts nothing.
    """
    units = root / "usr/lib/systemd/system"
    _copy(_FILES / "hailo-emulated-npu.service", units / "hailo-emulated-npu.service", 0o644)
    wants = units / "sysinit.target.wants"
    wants.mkdir()
    (wants / "hailo-emulated-npu.service").symlink_to("../hailo-emulated-npu.service")
    _copy(_FILES / "emulated-npu.py", root / "usr/libexec/hailo/emulated-npu", 0o755)
    conf = root / f"usr/src/hailo1x_pci-{version}/dkms.conf"
    _copy(_FILES / "dkms.conf", conf, 0o644)
    conf.write_text(conf.read_text().replace(_RELEASE, version))
    for name in _FIRMWARE:
        _copy(_FILES / "firmware.txt", root / "usr/lib/firmware/hailo/hailo10h" / name, 0o644)


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
