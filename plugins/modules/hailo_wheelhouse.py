#!/usr/bin/python
"""Collect, on the controller, everything that one kind of host installs, as one archive.

M(ansible.builtin.pip) installs; it downloads nothing for another Python, machine and C library.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tarfile
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from packaging.requirements import Requirement

from ..module_utils import hailo_disk, hailo_wheel

DOCUMENTATION = r"""
module: hailo_wheelhouse
short_description: Collect the wheels of a release into one archive
description:
  - Runs on the controller. Builds the service's wheel from a checkout, or takes a ready one, and downloads
    the wheels of the lock file for another Python and architecture. pip checks every hash of the lock file.
  - The release is named after the version and everything that goes into it, so that the same input is
    never built twice.
options:
  source:
    description: Checkout of the service.
    type: path
    required: true
  lock:
    description: Requirements with hashes.
    type: path
    required: true
  wheel:
    description: Ready wheel of the service, instead of building one.
    type: path
  python:
    description: Python of the hosts, as in C(3.13).
    type: str
    required: true
  machine:
    description: Architecture of the hosts, as in C(aarch64).
    type: str
    required: true
  glibc:
    description: C library of the hosts, as in C(2.41).
    type: str
    required: true
  dest:
    description: Folder for the archives.
    type: path
    required: true
"""

RETURN = r"""
release:
  description: Name of the release.
  returned: always
  type: str
archive:
  description: Path of the archive with the wheels and their requirements.
  returned: always
  type: str
"""

OLDEST_GLIBC = 17
BUILD_BACKEND = "hatchling"


class Failure(Exception):
    """The release can't be collected; the text says why."""


def digest_of(paths: list[str], *words: str) -> str:
    """SHA-256 over names and contents of files, in this order, and some words."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in paths:
        digest.update(os.path.basename(path).encode() + b"\0" + bytes.fromhex(hailo_wheel.sha256(path)))
    return digest.hexdigest()


def sources(params: dict[str, Any]) -> list[str]:
    """The files that a release is made from, in an order that does not depend on where they lie."""
    if params["wheel"]:
        return [params["wheel"], params["lock"]]
    found = []
    for folder, folders, files in os.walk(os.path.join(params["source"], "hailo_vision")):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [os.path.join(folder, name) for name in files]
    return [params["lock"], os.path.join(params["source"], "pyproject.toml"), *sorted(found)]


def version(params: dict[str, Any]) -> str:
    """Version of the service, without building or importing it."""
    if params["wheel"]:
        return os.path.basename(params["wheel"]).split("-")[1]
    with open(os.path.join(params["source"], "hailo_vision", "__init__.py"), encoding="utf-8") as file:
        found = re.search(r'^__version__ = "([^"]+)"', file.read(), re.MULTILINE)
    if not found:
        raise Failure("hailo_vision/__init__.py names no __version__.")
    return found[1]


def pip(module: AnsibleModule, *arguments: str) -> None:
    """Run the controller's pip."""
    code, out, err = module.run_command(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    )
    if code != 0:
        raise Failure(f"pip {arguments[0]} failed on the controller: {(err or out).strip()[-2000:]}")


def platforms(machine: str, glibc: str) -> list[str]:
    """Wheel platforms that run on a host, the newest first."""
    newest = int(glibc.split(".")[1])
    return [f"manylinux_2_{minor}_{machine}" for minor in range(newest, OLDEST_GLIBC - 1, -1)] + [
        f"manylinux2014_{machine}"
    ]


def requirements(params: dict[str, Any]) -> str:
    """Those entries of the lock file that the hosts' Python needs, without their conditions.

    pip would judge the conditions by the Python that it runs under, which is the controller's.
    """
    with open(params["lock"], encoding="utf-8") as file:
        entries = re.findall(
            r"^(\w\S*?==\S+)( *;.*?)?( \\\n(?: +--hash=.*\n?)+)", file.read(), re.MULTILINE
        )
    return "".join(
        name + hashes
        for name, condition, hashes in entries
        if hailo_wheel.applies(Requirement(name + condition), params["python"], params["machine"])
    )


def build_wheel(module: AnsibleModule, params: dict[str, Any], folder: str) -> str:
    """Build the service's wheel, or copy the ready one; its path."""
    if params["wheel"]:
        return shutil.copy(params["wheel"], folder)
    if importlib.util.find_spec(BUILD_BACKEND) is None:
        raise Failure(
            f"The controller's Python {sys.executable} has no {BUILD_BACKEND} to build the service's wheel. "
            f"Install it there, or set hailo_vision_wheel to a ready wheel."
        )
    pip(module, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, params["source"])
    return next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".whl"))


def collect(module: AnsibleModule, params: dict[str, Any], folder: str) -> None:
    """Fill a folder with all wheels and the requirements that pin them."""
    wheel = build_wheel(module, params, folder)
    choice = [part for name in platforms(params["machine"], params["glibc"]) for part in ("--platform", name)]
    choice += ["--implementation", "cp", "--python-version", params["python"], "--only-binary", ":all:"]
    lock = os.path.join(folder, "requirements.lock")
    with open(lock, "w", encoding="utf-8") as file:
        file.write(requirements(params))
    pip(module, "download", "--require-hashes", "--no-deps", *choice, "--dest", folder, "--requirement", lock)
    with open(lock, "a", encoding="utf-8") as file:
        file.write(f"hailo-vision=={version(params)} --hash=sha256:{hailo_wheel.sha256(wheel)}\n")


def pack(folder: str, archive: str) -> None:
    """Make an archive of a folder, complete or not at all."""
    temporary = hailo_disk.beside(archive)
    with tarfile.open(temporary, "w") as tar:
        for name in sorted(os.listdir(folder)):
            tar.add(os.path.join(folder, name), arcname=name)
    hailo_disk.sync(temporary)
    hailo_disk.place([archive])


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "lock": {"type": "path", "required": True},
            "wheel": {"type": "path"},
            "python": {"type": "str", "required": True},
            "machine": {"type": "str", "required": True},
            "glibc": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        kind = f"cp{params['python']}-{params['machine']}"
        release = f"{version(params)}-{digest_of(sources(params), kind)[:10]}"
        archive = os.path.join(params["dest"], f"{release}.tar")
        missing = not os.path.exists(archive)
        if missing and not module.check_mode:
            os.makedirs(params["dest"], exist_ok=True)
            with tempfile.TemporaryDirectory(dir=params["dest"]) as folder:
                collect(module, params, folder)
                pack(folder, archive)
    except Failure as failure:
        module.fail_json(msg=str(failure))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(changed=missing, release=release, archive=archive)


if __name__ == "__main__":
    main()
