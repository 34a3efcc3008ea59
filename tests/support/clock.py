"""A clock that jumps: libfaketime before a service's own libc, told by a file what time it is."""

from pathlib import Path

# Debian's package faketime.
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


class Clock:
    """The wall clock of processes that are started in its environment; their monotonic clock goes on."""

    def __init__(self, directory: Path) -> None:
        if LIBRARY is None:
            raise FileNotFoundError("libfaketime is missing; Debian: sudo apt-get install faketime")
        self._file = directory / "clock"
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Let it be so many seconds later than it is, or earlier; heard of within a second."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)
