"""Changing files so that a loss of power leaves the old or the new: contents reach the disk before names."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection


def sync(path: str) -> None:
    """Wait until a file's contents, whoever wrote them, or the names in a folder are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def beside(path: str) -> str:
    """Where the new one is made: always the same, so that the next run takes what a cut left behind."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")


def give(path: str, mode: int, owner: str | int, group: str | int) -> None:
    """Give a path its owner and group, by name or number, and its mode; LookupError for an unknown name."""
    if (owner, group) != (-1, -1):  # hailo-model.service may not even ask for what is so anyway
        shutil.chown(path, owner, group)
    os.chmod(path, mode)


def make(path: str, text: str, mode: int = 0o600, owner: str | int = -1, group: str | int = -1) -> None:
    """Write the new file beside its place; by default it is its maker's."""
    temporary = _vacate(beside(path))
    # Nobody who may write to the folder can put a link there meanwhile.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            give(temporary, mode, owner, group)
            os.fsync(file.fileno())
    except BaseException:
        _vacate(temporary)
        raise


def make_link(target: str, path: str) -> None:
    """Make the new symbolic link beside its place."""
    os.symlink(target, _vacate(beside(path)))


def place(paths: Collection[str]) -> None:
    """Put in place what was made for each path.

    The disk is waited for afterwards only: most file systems then take on all names or none.
    """
    for path in paths:
        os.replace(beside(path), path)
    for folder in {os.path.dirname(path) for path in paths}:
        sync(folder)


def give_up(paths: Collection[str]) -> None:
    """Remove what was made for the paths and not put in place."""
    for path in paths:
        _vacate(beside(path))


def write(path: str, text: str, mode: int = 0o600) -> None:
    """Make a file and put it in place."""
    make(path, text, mode)
    place([path])


def unlink(path: str) -> None:
    """Remove a file or link, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync(os.path.dirname(path))


def _vacate(path: str) -> str:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return path
