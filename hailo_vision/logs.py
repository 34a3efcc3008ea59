"""The service's log: lines on standard error, which nothing waits for.

A write to standard error waits while nobody reads it: a terminal that was stopped, a full pipe, a journal
that hangs. The event loop must not wait with it, nor must the end of the process. So what can't be written at
once is left to a thread.
"""

import logging
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

_FORMAT = "%(levelname)s %(name)s: %(message)s"
_LINES = 2000  # that wait to be written; some 300 KB
_STDERR = 2
_LAST_LINES_SECONDS = 2.0


@contextmanager
def to_stderr() -> Iterator[None]:
    """Log to standard error within the block; leaving it waits up to two seconds for the last lines."""
    handler = ThreadHandler(_STDERR, _LINES)
    handler.setFormatter(logging.Formatter(_FORMAT))
    # No line names a file, a thread or a process: Python's Logging HOWTO, "Optimization".
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        yield
    finally:
        handler.finish(_LAST_LINES_SECONDS)


class ThreadHandler(logging.Handler):
    """Writes lines to a file descriptor, or has a thread do it while there is no room; drops them while too
    many wait, and says how many.

    The thread takes no lock that Python waits for at its exit: neither a handler's nor that of sys.stderr.
    """

    def __init__(self, descriptor: int, most: int) -> None:
        super().__init__()
        self.dropped = 0
        self._descriptor = descriptor
        self._most = most
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)
        # Of a pipe or socket that has room, poll(2) promises that many bytes; of a terminal, one.
        self._longest = 0 if os.isatty(descriptor) else select.PIPE_BUF
        self._lines: Queue[bytes | None] = Queue()
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        except Exception:
            self.handleError(record)
            return
        # Every request has a line: to wake the thread for it takes a sixth of a text request's CPU time.
        if len(line) <= self._longest and not self._lines.unfinished_tasks and self._room.poll(0):
            self._write(line)
        elif self._lines.qsize() < self._most:
            self._lines.put(line)
        else:
            self.dropped += 1

    def finish(self, seconds: float) -> None:
        """Write what still waits; give up after so many seconds."""
        self._lines.put(None)
        self._thread.join(seconds)

    def _write_all(self) -> None:
        told = 0
        for line in iter(self._lines.get, None):
            self._write(line)
            if dropped := self.dropped - told:
                told += dropped
                text = f"WARNING {__name__}: {dropped} lines were dropped, as nobody read the log\n"
                self._write(text.encode())
            self._lines.task_done()

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError:
                return  # Whoever read the log is gone.
