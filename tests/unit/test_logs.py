"""The log: every line in order while somebody reads, and a count of those that were lost."""

import fcntl
import logging
import os
import re
from collections.abc import Callable, Iterator

import pytest

from hailo_vision.logs import ThreadHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that holds 4 KB, the least there is."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for end in (reader, writer):
        os.close(end)


def read_until(reader: int, enough: Callable[[str], bool]) -> str:
    text = ""
    while not enough(text):
        text += os.read(reader, 65536).decode()
    return text


def told_as_dropped(text: str) -> int:
    return sum(int(count) for count in re.findall(r"(\d+) lines were dropped", text))


@pytest.mark.parametrize("blocking", [True, False])
def test_lines_that_nobody_reads_are_counted_and_the_count_is_told(
    pipe: tuple[int, int], blocking: bool
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, blocking)
    handler = ThreadHandler(writer, 10)
    logger = logging.Logger("one")
    logger.addHandler(handler)
    for number in range(1000):
        logger.info("line %d %s", number, "x" * 100)
    assert handler.dropped > 900
    # The count may be told before the lines that still waited.
    text = read_until(reader, lambda text: told_as_dropped(text) == handler.dropped and "\nline 2 " in text)
    written = re.findall(r"^line (\d+) x+$", text, re.MULTILINE)
    assert written == sorted(written, key=int)
    assert written[:3] == ["0", "1", "2"]
    logger.error("and then %s", "\ud800")
    assert "and then \\ud800\n" in read_until(reader, lambda text: "ud800\n" in text)
    handler.finish(60)


@pytest.mark.parametrize("length", [10, 60, 250, 4000])
def test_a_terminal_that_was_stopped_keeps_nobody_waiting(length: int) -> None:
    reader, writer = os.openpty()
    handler = ThreadHandler(writer, 10)
    for number in range(200_000 // length):
        handler.handle(logging.makeLogRecord({"msg": f"{number} ".ljust(length, "x")}))
    assert handler.dropped
    for end in (reader, writer):  # ends the thread's write
        os.close(end)
    handler.finish(60)


def test_a_reader_that_left_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    handler = ThreadHandler(writer, 10)
    for _ in range(3):
        handler.handle(logging.makeLogRecord({"msg": "hello"}))
    handler.finish(60)
    os.close(writer)
    assert handler.dropped == 0
