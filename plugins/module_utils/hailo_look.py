"""Looking at a host: what its kernel and its programs have written down, whose a file is, who has it open."""

from __future__ import annotations

import contextlib
import glob
import grp
import json
import os
import pwd
import re
import stat
from collections.abc import Callable, Collection
from typing import Any

DEVICE_NODES = ("/dev/hailo[0-9]*", "/dev/h1x-[0-9]*")


def matching(*patterns: str) -> list[str]:
    """The paths that are there."""
    return sorted(path for pattern in patterns for path in glob.glob(pattern))


def read(path: str) -> str:
    """The text of a file, empty if it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def load(path: str, kind: Callable[..., Any]) -> Any:
    """What a file of JSON has, a dict or a list; an empty one if it is missing or has something else."""
    try:
        return kind(json.loads(read(path)))
    except (ValueError, TypeError):
        return kind()


def access(path: str) -> dict[str, str]:
    """Owner, group and mode, as modules take them."""
    info = os.stat(path)
    owner, group = _name(pwd.getpwuid, info.st_uid), _name(grp.getgrgid, info.st_gid)
    return {"owner": owner, "group": group, "mode": f"{stat.S_IMODE(info.st_mode):04o}"}


def _name(lookup: Callable[[int], Any], number: int) -> str:
    """Name of a user or group, or its number."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def holders(paths: Collection[str]) -> list[str]:
    """Processes that have one of these paths open, in the order of their numbers."""
    found = set()
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # the process ended meanwhile
            if os.readlink(link) in paths:
                found.add(link.split("/")[2])
    return sorted(found, key=int)


def unit_of(pid: str) -> str:
    """The systemd unit that a process belongs to, empty if none can be told."""
    found = re.search(r"/([^/\n]+\.(?:service|scope))(?:/|$)", read(f"/proc/{pid}/cgroup"), re.MULTILINE)
    return found[1] if found else ""


def describe(pid: str) -> str:
    """A process for people: its name, number and unit."""
    unit = unit_of(pid)
    return f"{read(f'/proc/{pid}/comm').strip()} (process {pid}{f' of {unit}' if unit else ''})"
