"""Which processes have a file or a socket open, and which units they belong to."""

import glob
import os
import re

from .hailo_look import read


def holders(targets: set[str]) -> list[str]:
    """Processes that have one of these open, in the order of their numbers.

    Args:
        targets: what the links in /proc/PID/fd point to: paths, or ``socket:[INODE]``.
    """
    found = set()
    for path in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(path) in targets:
                found.add(path.split("/")[2])
        except OSError:
            continue
    return sorted(found, key=int)


def unit_of(pid: str) -> str:
    """The systemd unit that a process belongs to, empty if none can be told."""
    found = re.search(r"/([^/\n]+\.(?:service|scope))(?:/|$)", read(f"/proc/{pid}/cgroup"), re.MULTILINE)
    return found[1] if found else ""


def describe(pid: str) -> str:
    """A process for people: its name, number and unit."""
    unit = unit_of(pid)
    return f"{read(f'/proc/{pid}/comm').strip()} (process {pid}{f' of {unit}' if unit else ''})"
