"""The service's log: lines on standard error, written by a thread of its own.

A write to standard error waits while nobody reads it: a terminal that was stopped, a full pipe, a journal
that hangs. The event loop must not wait with it, nor must the end of the process.
"""

import logging
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from queue import Full, Queue

_FORMAT = "%(levelname)s %(name)s: %(message)s"
_LINES = 2000  # that wait to be written; some 300 KB
_STDERR = 2
_LAST_LINES_SECONDS = 2.0


@contextmanager
def to_stderr() -> Iterator[None]:
    """Log to standard error within the block; leaving it waits up to two seconds for the last lines."""
    lines: Queue[str] = Queue(_LINES)
    handler = Enqueue(lines)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    Write(lines, handler, _STDERR).start()
    try:
        yield
    finally:
        with lines.all_tasks_done:
            lines.all_tasks_done.wait_for(lambda: not lines.unfinished_tasks, _LAST_LINES_SECONDS)


class Enqueue(QueueHandler):
    """Formats a record where it is made and leaves it to another thread; drops it if too many wait."""

    def __init__(self, lines: "Queue[str]") -> None:
        super().__init__(lines)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> str:
        return self.format(record)

    def enqueue(self, line: str) -> None:  # type: ignore[override]  # what prepare() returns
        try:
            self.queue.put_nowait(line)
        except Full:
            self.dropped += 1


class Write(QueueListener):
    """Writes the lines to a file descriptor, and says how many were dropped.

    By os.write() and without a logging.Handler: at its exit Python waits for the locks of sys.stderr and
    of all handlers, which a thread that waits for a reader would hold.
    """

    def __init__(self, lines: "Queue[str]", source: Enqueue, descriptor: int) -> None:
        super().__init__(lines)
        self._source = source
        self._descriptor = descriptor
        self._told = 0

    def handle(self, line: str) -> None:  # type: ignore[override]  # what Enqueue puts into the queue
        self._write(line)
        dropped = self._source.dropped - self._told
        if dropped:
            self._told += dropped
            self._write(f"WARNING {__name__}: {dropped} lines were dropped, as nobody read the log")

    def _write(self, line: str) -> None:
        left = f"{line}\n".encode(errors="backslashreplace")
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError:
                return  # Whoever read the log is gone.
