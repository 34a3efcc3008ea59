"""A process that gets no more memory: the kernel ends it for the next page that it touches. Needs root."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TOP = Path("/sys/fs/cgroup")
_FIRST = _TOP / "memory"  # where control groups of version 1 keep theirs
_LIMIT_BYTES = 16 * 1024  # with more, it goes on for long, slowly, reading its program again and again


@contextmanager
def starved(pid: int) -> Iterator[None]:
    """Put a process into a control group of little memory; what it has already is not counted there."""
    first = _FIRST.is_dir()
    group = (_FIRST if first else _TOP) / f"starved-{os.getpid()}-{pid}"
    if not first:
        (_TOP / "cgroup.subtree_control").write_text("+memory")
    group.mkdir()
    try:
        (group / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(_LIMIT_BYTES))
        swap, none = ("memory.swappiness", "0") if first else ("memory.swap.max", "0")
        if (group / swap).exists():
            (group / swap).write_text(none)
        (group / "cgroup.procs").write_text(str(pid))
        yield
        assert (
            "\noom_kill 0" not in (group / ("memory.oom_control" if first else "memory.events")).read_text()
        )
    finally:
        while (group / "cgroup.procs").read_text():
            time.sleep(0.05)  # it ends just now
        group.rmdir()
