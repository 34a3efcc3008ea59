"""A log that nobody reads: a stopped terminal, a pipe to a program that hangs."""

import fcntl
import io
import os
import re
import socket
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from support.pictures import user
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


def test_libraries_write_nothing_beside_the_log(make_server: Callable[..., Server]) -> None:
    """A client that leaves, and EXIF data that Pillow warns of."""
    server = make_server(emulator={"time_scale": 0.2}).start()
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert server.answer(user("?", picture.getvalue()))
    body = b'{"model": "qwen2-vl-2b-instruct", "messages": [{"role": "user", "content": "Hi"}]}'
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: pi\r\nContent-Length: 82\r\n\r\n" + body)
        server.wait_for(lambda: server.health()["queue"]["running"] == 1)
    server.wait_for(lambda: "status=499" in server.log())
    assert all(re.match("(INFO|WARNING|ERROR) hailo_vision", line) for line in server.log().splitlines())
