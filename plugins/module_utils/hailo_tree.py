"""Telling whether an installed tree still is what was installed, without reading its files."""

from __future__ import annotations

import hashlib
import json
import os
import stat

_VOLATILE = "__pycache__"


def fingerprint(root: str) -> str:
    """SHA-256 over path, kind, mode, size, time and link target of everything below root.

    Any edit changes a file's time, so a stat of each file is enough. Byte code that Python
    writes on its own is left out.
    """
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != _VOLATILE)
        for name in sorted(files) + folders:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            kind, mode = stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode)
            fields = [os.path.relpath(path, root), kind, mode, info.st_uid, info.st_gid]
            if kind == stat.S_IFLNK:
                fields.append(os.readlink(path))
            elif kind == stat.S_IFREG:
                fields += [info.st_size, info.st_mtime_ns]
            digest.update(json.dumps(fields).encode() + b"\n")
    return digest.hexdigest()


def seal_path(root: str) -> str:
    """The file beside a tree that holds the fingerprint it had when its installation was complete."""
    return os.path.join(os.path.dirname(root), f".{os.path.basename(root)}.sealed")


def is_intact(root: str) -> bool:
    """Whether root was installed to the end and has not been touched since."""
    try:
        with open(seal_path(root), encoding="ascii") as file:
            recorded = file.read().strip()
    except OSError:
        return False
    if not os.path.isdir(root):
        return False
    info = os.stat(root)  # which the fingerprint leaves out
    is_open = info.st_uid == os.geteuid() and stat.S_IMODE(info.st_mode) == 0o755
    return is_open and fingerprint(root) == recorded
