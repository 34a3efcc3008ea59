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
from queue import SimpleQueue

_FORMAT = "%(levelname)s %(name)s: %(message)s"
_LINES = 2000  # that wait to be written; some 300 KB
_STDERR = 2
_LAST_LINES_SECONDS = 2.0


@contextmanager
def to_stderr() -> Iterator[None]:
    """Log to standard error within the block; leaving it waits up to two seconds for the last lines."""
    handler = Enqueue(_LINES)
    handler.setFormatter(logging.Formatter(_FORMAT))
    # No line names a file, a thread or a process: Python's Logging HOWTO, "Optimization".
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    writer = Write(handler, _STDERR)
    writer.start()
    try:
        yield
    finally:
        writer.finish(_LAST_LINES_SECONDS)


class Enqueue(QueueHandler):
    """Formats a record where it is made and leaves it to another thread; drops it if too many wait.

    In a SimpleQueue, which costs less than a Queue: every request has its line.
    """

    queue: "SimpleQueue[str]"

    def __init__(self, most: int) -> None:
        super().__init__(SimpleQueue())
        self._most = most
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> str:
        return self.format(record)

    def enqueue(self, line: str) -> None:  # type: ignore[override]  # what prepare() returns
        if self.queue.qsize() < self._most:
            self.queue.put(line)
        else:
            self.dropped += 1


class Write(QueueListener):
    """Writes the lines to a file descriptor, and says how many were dropped.

    By os.write() and without a logging.Handler: at its exit Python waits for the locks of sys.stderr and
    of all handlers, which a thread that waits for a reader would hold.
    """

    def __init__(self, source: Enqueue, descriptor: int) -> None:
        super().__init__(source.queue)
        self._source = source
        self._descriptor = descriptor
        self._told = 0

    def finish(self, seconds: float) -> None:
        """Write what still waits; give up after so many seconds."""
        self.enqueue_sentinel()
        if self._thread:
            self._thread.join(seconds)

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
