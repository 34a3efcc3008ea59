"""Collects everything that one kind of host installs into one archive, by the controller's pip.

M(ansible.builtin.pip) installs; it downloads nothing for another Python, machine and C library.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from packaging.requirements import Requirement

from ..module_utils import hailo_disk
from ..plugin_utils import wheel as wheels

OLDEST_GLIBC = 17
BUILD_BACKEND = "hatchling"


def version(source: Path, wheel: Path | None) -> str:
    """Version of the service, without building or importing it."""
    if wheel:
        return wheel.name.split("-")[1]
    text = (source / "hailo_vision/__init__.py").read_text("utf-8")
    return str(re.findall(r'(?m)^__version__ = "([^"]+)"', text)[0])


def digest(source: Path, lock: Path, wheel: Path | None, kind: str) -> str:
    """SHA-256 over all that goes into a release: names and contents, wherever the files lie."""
    package = sorted(
        path
        for path in source.glob("hailo_vision/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    total = hashlib.sha256(kind.encode())
    for path in [wheel, lock] if wheel else [lock, source / "pyproject.toml", *package]:
        total.update(path.name.encode() + b"\0" + bytes.fromhex(wheels.sha256(path)))
    return total.hexdigest()


def platforms(machine: str, glibc: str) -> list[str]:
    """Wheel platforms that run on a host, the newest first."""
    newest = int(glibc.split(".")[1])
    names = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, OLDEST_GLIBC - 1, -1)]
    return [*names, f"manylinux2014_{machine}"]


def requirements(lock: Path, python: str, machine: str) -> str:
    """Those entries of the lock file that the hosts' Python needs, without their conditions.

    pip would judge the conditions by the Python that it runs under, which is the controller's.
    """
    entries = re.findall(r"(?m)^(\w\S*?==\S+)( *;.*?)?( \\\n(?: +--hash=.*\n?)+)", lock.read_text("utf-8"))
    return "".join(
        name + hashes
        for name, condition, hashes in entries
        if wheels.applies(Requirement(name + condition), python, machine)
    )


def pip(*arguments: str | Path) -> None:
    """Run the controller's pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()[-2000:]
        raise AnsibleActionFail(f"pip {arguments[0]} failed on the controller: {said}")


def build(source: Path, folder: Path) -> Path:
    """Build the service's wheel into a folder; its path."""
    if importlib.util.find_spec(BUILD_BACKEND) is None:
        raise AnsibleActionFail(
            f"The controller's Python {sys.executable} has no {BUILD_BACKEND} to build the service's wheel. "
            f"Install it there, or set hailo_vision_wheel to a ready wheel."
        )
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    return next(folder.glob("*.whl"))


def pack(folder: Path, archive: Path) -> None:
    """Make an archive of a folder, complete or not at all."""
    temporary = hailo_disk.beside(str(archive))
    with tarfile.open(temporary, "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    hailo_disk.sync(temporary)
    hailo_disk.place([str(archive)])


def collect(arguments: dict[str, str], check: bool = False) -> dict[str, Any]:
    """Make the archive if it is missing and this is no check.

    Args:
        arguments: ``source``, the service's checkout; ``lock``, requirements with hashes, which pip checks;
            ``wheel``, a ready wheel of the service in place of one that is built; ``python``, ``machine`` and
            ``glibc`` of the hosts, as in 3.13, aarch64 and 2.41; ``dest``, the folder for archives.

    Returns:
        ``release``, a name after the version and everything that goes into it, so that the same input is
        never built twice; ``archive``, the path of the wheels and their requirements; ``changed``.
    """
    source, lock, dest = (Path(arguments[name]) for name in ("source", "lock", "dest"))
    python, machine = arguments["python"], arguments["machine"]
    ready = Path(arguments["wheel"]) if arguments.get("wheel") else None
    number = version(source, ready)
    release = f"{number}-{digest(source, lock, ready, f'cp{python}-{machine}')[:10]}"
    archive = dest / f"{release}.tar"
    missing = not archive.exists()
    if missing and not check:
        dest.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=dest) as name:
            folder = Path(name)
            wheel = Path(shutil.copy(ready, folder)) if ready else build(source, folder)
            choice = [f"--platform={platform}" for platform in platforms(machine, arguments["glibc"])]
            choice += ["--implementation=cp", f"--python-version={python}", "--only-binary=:all:"]
            pinned = folder / "requirements.lock"
            pinned.write_text(requirements(lock, python, machine), "utf-8")
            choice += ["--require-hashes", "--no-deps", f"--requirement={pinned}"]
            pip("download", *choice, "--dest", folder)
            with pinned.open("a", encoding="utf-8") as file:
                file.write(f"hailo-vision=={number} --hash=sha256:{wheels.sha256(wheel)}\n")
            pack(folder, archive)
    return {"changed": missing, "release": release, "archive": os.fspath(archive)}


class ActionModule(ActionBase):
    """What Ansible calls, with the arguments of collect()."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What collect() returns."""
        super().run(tmp, task_vars)
        try:
            return collect(self._task.args, self._task.check_mode)
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}") from None
