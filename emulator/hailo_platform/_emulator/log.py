"""hailort.log, written into the current directory unless HAILORT_LOGGER_PATH names another."""

import os
import sys
import time

_warned = False


def write(level: str, message: str) -> None:
    """Append a line; HAILORT_LOGGER_PATH=NONE switches the file off; an unwritable place only warns once."""
    global _warned
    place = os.environ.get("HAILORT_LOGGER_PATH", "")
    if place == "NONE":
        return
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    line = f"[{stamp}] [{os.getpid()}] [HailoRT] [{level}] {message}\n"
    try:
        with open(os.path.join(place or ".", "hailort.log"), "a", encoding="utf-8") as file:
            file.write(line)
    except OSError:
        if not _warned:
            _warned = True
            print(
                "HailoRT warning: Cannot create log file hailort.log! Please check the directory "
                "write permissions.",
                file=sys.stderr,
            )
