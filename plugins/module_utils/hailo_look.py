"""Looking at files: what a host's kernel and its programs have written down, and whose a file is."""

import grp
import os
import pwd
import stat
from collections.abc import Callable
from typing import Any


def read(path: str) -> str:
    """The text of a file, empty if it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


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
