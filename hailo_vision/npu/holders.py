"""Who else has the Hailo device open."""

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

_PROC = Path("/proc")


def holders_of(nodes: Sequence[str]) -> list[str] | None:
    """The other processes that have one of the device nodes open, each as "name (pid 812, a.service)".

    Returns None if none was found and some processes can't be looked into, as is the case for a service
    without privileges.
    """
    paths = {os.path.realpath(node) for node in nodes}
    others = [entry for entry in _PROC.iterdir() if entry.name.isdigit() and entry.name != str(os.getpid())]
    found = [_describe(entry) for entry in others if _has_open(entry, paths)]
    return found if found or os.access(_PROC / "1" / "fd", os.R_OK) else None


def _has_open(process: Path, paths: set[str]) -> bool:
    with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(descriptor) in paths:
                    return True
    return False


def _describe(process: Path) -> str:
    name, group = "a program", ""
    with contextlib.suppress(OSError):
        name = (process / "comm").read_text().strip()
        group = (process / "cgroup").read_text()
    unit = re.search(r"([^/\n]+\.(?:service|scope))$", group, re.MULTILINE)
    return f"{name} (pid {process.name}{f', {unit[1]}' if unit else ''})"
