"""Files that somebody else put in place."""

import errno
import os
import stat
from pathlib import Path


def require_regular(*paths: str | os.PathLike[str]) -> None:
    """Raises:
    OSError: there is no such file, or a pipe or device, say, in its place, whose end may never come.
    """
    for path in paths:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))


def read_keys(path: Path) -> list[str]:
    """The API keys in a file, one a line; empty lines and lines that begin with # are ignored.

    Raises:
        OSError: it can't be read.
        UnicodeDecodeError: it is not UTF-8 text.
    """
    require_regular(path)
    text = path.read_text(encoding="utf-8-sig")  # Windows writes a byte-order mark
    lines = map(str.strip, text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
