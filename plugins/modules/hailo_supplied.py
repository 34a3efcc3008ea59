#!/usr/bin/python
"""Judge, on the controller, the packages that an operator supplies for hosts without an archive.

No builtin module reads what a wheel or a package in a file is for.
"""

from __future__ import annotations

import email
import os
import re
import zipfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from ..module_utils import hailo_wheel

DOCUMENTATION = r"""
module: hailo_supplied
short_description: Judge the Debian packages and the wheel that an operator supplies
description:
  - Runs on the controller and changes nothing. Tells what is wrong with the files, so that no host gets half
    of them, and a checksum of each, so that a host that has them already is left alone.
options:
  debs:
    description: Debian packages.
    type: list
    elements: path
    required: true
  wheel:
    description: Wheel of HailoRT's Python module.
    type: path
    required: true
  python:
    description: Python of the host, as in C(3.11).
    type: str
    required: true
  machine:
    description: Architecture of the host, as in C(aarch64).
    type: str
    required: true
"""

RETURN = r"""
problems:
  description: A sentence for each file that can't be used.
  returned: always
  type: list
  elements: str
digests:
  description: SHA-256 of each file by its name.
  returned: always
  type: dict
distribution:
  description: What the wheel is called once it is installed.
  returned: always
  type: str
requires:
  description: Debian packages with the Python modules that the wheel needs.
  returned: always
  type: list
  elements: str
"""

DEBIAN_MAGIC = b"!<arch>\n"
MODULE = "hailo_platform/__init__.py"


class Unusable(Exception):
    """A file that can't be used; the text names it and says why."""


def digest(path: str) -> str:
    """SHA-256 of a file."""
    try:
        return hailo_wheel.sha256(path)
    except OSError as error:
        raise Unusable(f"{path} can't be read on the controller: {error.strerror}.") from error


def judge_deb(path: str) -> None:
    """See that a file is a Debian package."""
    with open(path, "rb") as file:
        start = file.read(len(DEBIAN_MAGIC))
    if start != DEBIAN_MAGIC:
        raise Unusable(f"{path} is no Debian package: it starts with {start!r}.")


def judge_wheel(path: str, python: str, machine: str) -> tuple[str, list[str]]:
    """See that a file is HailoRT's wheel for a host; its name and the Debian packages that it needs."""
    try:
        tags = parse_wheel_filename(os.path.basename(path))[3]
    except InvalidWheelFilename as error:
        raise Unusable(f"{path} has no name of a wheel: {error}.") from error
    interpreters = ("py3", f"cp{python.replace('.', '')}")
    if not any(
        tag.interpreter in interpreters and (tag.platform == "any" or tag.platform.endswith(f"_{machine}"))
        for tag in tags
    ):
        found = ", ".join(sorted(map(str, tags)))
        raise Unusable(f"{path} is for {found}, and the host has Python {python} on {machine}.")
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            about = next(name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            metadata = email.message_from_bytes(file.read(about))
    except (zipfile.BadZipFile, StopIteration, KeyError) as error:
        raise Unusable(f"{path} is no wheel, or not all of one.") from error
    if MODULE not in names:
        raise Unusable(f"{path} has no {MODULE}: it is not HailoRT's Python module.")
    return str(metadata["Name"]), debian_packages(metadata.get_all("Requires-Dist", []), python, machine)


def debian_packages(requirements: list[str], python: str, machine: str) -> list[str]:
    """The Debian packages of what a wheel requires on a host. Debian names them after the Python ones."""
    wanted = [Requirement(text) for text in requirements]
    return sorted(
        {
            f"python3-{re.sub('[-_.]+', '-', requirement.name).lower()}"
            for requirement in wanted
            if hailo_wheel.applies(requirement, python, machine)
        }
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "debs": {"type": "list", "elements": "path", "required": True},
            "wheel": {"type": "path", "required": True},
            "python": {"type": "str", "required": True},
            "machine": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    result: dict[str, Any] = {"problems": [], "digests": {}, "distribution": "", "requires": []}
    for path in [*params["debs"], params["wheel"]]:
        try:
            result["digests"][os.path.basename(path)] = digest(path)
            if path == params["wheel"]:
                name, requires = judge_wheel(path, params["python"], params["machine"])
                result |= {"distribution": name, "requires": requires}
            else:
                judge_deb(path)
        except Unusable as reason:
            result["problems"].append(str(reason))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
