"""Files that somebody else put in place."""

import errno
import os
import stat


def require_regular(*paths: str | os.PathLike[str]) -> None:
    """Raises:
    OSError: there is no such file, or a pipe or device, say, in its place, whose end may never come.
    """
    for path in paths:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
