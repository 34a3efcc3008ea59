"""HailoRT's own logs: stderr from warnings on, and two files of 1 MB with a spare each, opened on import.

Source: libhailort/src/utils/hailort_logger.cpp of hailo-ai/hailort. One file stands in ~/.hailo/hailort, the
other in $HAILORT_LOGGER_PATH or the current folder; HAILORT_LOGGER_PATH=NONE switches both off.
"""

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

_NAME = "hailort.log"
_MOST_BYTES = 1 << 20
_FORM = "[%(asctime)s] [%(process)d] [%(thread)d] [HailoRT] [%(levelname)s] %(message)s"
_logger = logging.Logger("HailoRT")
_logger.addHandler(logging.NullHandler())


def open_files() -> None:
    """Open both files, as the library does when it is loaded.

    A folder that can't be used is told on stderr; a file that can't be made in a usable folder ends the
    process with SIGABRT, as the library lets the exception of its logger escape.
    """
    place = os.environ.get("HAILORT_LOGGER_PATH") or "."
    if place == "NONE":
        return
    for folder in (Path("~/.hailo/hailort").expanduser(), Path(place)):
        if _usable(folder):
            _logger.addHandler(_opened(folder))


def write(level: str, message: str) -> None:
    """Log a message of level "warning" or "error"."""
    print(f"[HailoRT] [{level}] {message}", file=sys.stderr)
    _logger.log(logging.getLevelNamesMapping()[level.upper()], message)


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        _warn(f"Path {folder} is not valid.")
        return False
    for path, kind in ((folder, "directory"), (folder / _NAME, "file")):
        if path.exists() and not os.access(path, os.W_OK):
            _warn(f"Please check the {kind} {path} write permissions.")
            return False
    return True


def _opened(folder: Path) -> logging.Handler:
    try:
        handler = RotatingFileHandler(folder / _NAME, maxBytes=_MOST_BYTES, backupCount=1)
    except OSError as error:
        print(
            f"terminate called after throwing an instance of 'spdlog_ex': {error}",
            file=sys.stderr,
            flush=True,
        )
        os.abort()
    handler.namer = lambda _: str(folder / "hailort.1.log")
    handler.setFormatter(logging.Formatter(_FORM))
    return handler


def _warn(why: str) -> None:
    print(f"HailoRT warning: Cannot create log file {_NAME}! {why}", file=sys.stderr)
