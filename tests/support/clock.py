"""A clock that jumps: libfaketime before a service's own libc, told by a file what time it is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Let it be so many seconds later than it is, or earlier."""
        self.offset = seconds
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)

    @contextmanager
    def jumping(self, seconds: int, every: float = 0.3) -> Iterator[None]:
        """Let it jump again and again, by so many seconds more each time."""
        over = threading.Event()

        def run() -> None:
            while not over.wait(every):
                self.jump(self.offset + seconds)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
