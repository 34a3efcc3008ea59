"""A Debian for a Pi's processor, run by qemu's user mode: no mounts, no binfmt_misc, nothing to boot."""

import subprocess
from pathlib import Path

from emulator.fleet.layout import BUILD, REPOSITORY
from emulator.fleet.machine import delete_tree

_ROOTS = BUILD / "arm64"
_PACKAGES = "base-files,python3,python3-venv,python3-jinja2,libstdc++6,ca-certificates"

# proot's seccomp filter misses system calls of qemu. Byte code is kept: compiling under qemu is slow.
# A Pi 5's processor. qemu's own choice has pointer authentication: Trixie's Python is 20 times slower there.
ENVIRONMENT = {
    "PROOT_NO_SECCOMP": "1", "QEMU_CPU": "cortex-a76", "PYTHONDONTWRITEBYTECODE": "", "LC_ALL": "C.UTF-8",
}  # fmt: skip


def ensure(suite: str) -> Path:
    """The files of a Debian suite for arm64, unpacked once; nothing of them is configured.

    Raises:
        subprocess.CalledProcessError: mmdebstrap failed.
    """
    root = _ROOTS / suite
    if not root.exists():
        part = root.with_suffix(".part")
        delete_tree(part)
        _ROOTS.mkdir(parents=True, exist_ok=True)
        command = ["mmdebstrap", "--quiet", "--mode=root", "--architectures=arm64", "--variant=extract"]
        subprocess.run([*command, f"--include={_PACKAGES}", suite, str(part)], check=True)
        part.rename(root)
    return root


def command(root: Path, *folders: Path) -> list[str]:
    """The words before a program's own that run it there; it sees these folders and the emulator, too."""
    shared = (Path("/dev"), Path("/proc"), REPOSITORY / "emulator", *folders)
    binds = [word for folder in shared for word in ("-b", str(folder))]
    return ["proot", "-0", "-q", "qemu-aarch64-static", "-r", str(root), *binds]
