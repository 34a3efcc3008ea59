"""A log that nobody reads: a stopped terminal, a pipe to a program that hangs."""

import fcntl
import os
from collections.abc import Callable, Iterator

import pytest
from support.server import Server


@pytest.fixture
def unread() -> Iterator[tuple[int, int]]:
    """A pipe that holds 4 KB, with a reader that reads nothing."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for end in (reader, writer):
        os.close(end)


def test_nothing_waits_for_the_reader_of_the_log(
    make_server: Callable[..., Server], unread: tuple[int, int]
) -> None:
    """The event loop waited for ever after some hundred requests, and no SIGTERM was heard."""
    server = make_server()
    server.stderr = unread[1]
    server.start()
    for _ in range(200):
        assert server.http.get("/nothing").status_code == 404
    assert server.http.get("/health").status_code == 200
    assert server.stop() == 0
