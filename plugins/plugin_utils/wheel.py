"""What the controller must know of wheels that are for another host."""

import hashlib
from pathlib import Path

from packaging.requirements import Requirement


def applies(requirement: Requirement, python: str, machine: str) -> bool:
    """Whether a host needs what is required, which the controller's own Python would judge by itself.

    Args:
        requirement: with its condition.
        python: of the host, as in 3.13.
        machine: of the host, as in aarch64.
    """
    host = {
        "os_name": "posix",
        "platform_machine": machine,
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    return requirement.marker is None or requirement.marker.evaluate(host)


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
