"""Reading what a host's kernel and its programs have written down, to look at it."""

from __future__ import annotations


def read(path: str) -> str:
    """The text of a file, empty if it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
