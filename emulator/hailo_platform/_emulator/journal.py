"""An optional journal of everything that happened to the emulated chip, one JSON object a line.

Several processes may append to one file: each line is one write to a descriptor opened for appending.
"""

import json
import os
import sys
import time
from typing import Any

from hailo_platform._emulator.settings import settings

_complained: set[str] = set()


def record(event: str, **details: Any) -> None:
    """Append one event with the monotonic time `t`, the wall clock `time` and the process id.

    Does nothing if the settings name no journal; a journal that can't be written is reported once.
    """
    path = settings().journal
    if not path:
        return
    entry = {"event": event, "t": time.monotonic(), "time": time.time(), "pid": os.getpid(), **details}
    line = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.write(descriptor, line.encode("utf-8", "replace"))
        finally:
            os.close(descriptor)
    except OSError as error:
        if path not in _complained:
            _complained.add(path)
            print(f"hailo emulator: journal {path}: {error}", file=sys.stderr)
