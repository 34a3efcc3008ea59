"""What is left of a request that is over: nothing.

The garbage collector does not see how large bodies are, and comes seldom: what only it frees stays for
hundreds of requests. So here it never comes.
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.bombs import chunk
from support.origin import Origin
from support.pictures import data_uri, plain
from support.server import MODEL, Server

from tests.abuse.wire import connected, drain, post
from tests.bench.measure import resident_bytes

_WITHOUT_COLLECTOR = """
import gc, runpy, sys
gc.disable()
del sys.argv[:2]
runpy.run_module("hailo_vision", run_name="__main__", alter_sys=True)
"""
LARGE = "A" * 20_000_000
_PNG = plain("red")
# A good picture that is as large.
PICTURE = data_uri(_PNG[:-12] + chunk(b"junk", bytes(7_000_000)) + _PNG[-12:])
TIMES = 5
HELLO = {"role": "user", "content": "Hi"}


def about(*sources: str) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": source}} for source in sources]
    return {"messages": [{"role": "user", "content": parts}], "max_tokens": 2}


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "a picture": ("/v1/chat/completions", about(PICTURE, PICTURE)),
    "no picture": ("/v1/chat/completions", about(LARGE)),
    "no picture of a batch": ("/v1/vision/analyze", {"images": [LARGE], "prompt": "?", "stream": True}),
    "no picture of Ollama's": ("/api/chat", {"messages": [{**HELLO, "images": [LARGE]}]}),
    "a field is missing": ("/v1/chat/completions", {"user": LARGE}),
    "a stream": ("/v1/chat/completions", {"messages": [HELLO], "user": LARGE, "stream": True}),
    "a JSON answer": (
        "/v1/chat/completions",
        {"messages": [HELLO], "user": LARGE, "response_format": {"type": "json_object"}},
    ),
}


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin({}) as started:
        started.endless["/silent"] = b""
        yield started


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this file's own, without a garbage collector."""
    # A sign of life begins a stream long before a link has failed.
    config = {"server": {"heartbeat_interval": 0.001}, "media": {"allow_hosts": ["127.0.0.1"]}}
    server = Server(tmp_path_factory.mktemp("lonely") / "run", config)
    server.python = [sys.executable, "-c", _WITHOUT_COLLECTOR]
    try:
        yield server.start()
    finally:
        server.close()


def memory(server: Server) -> int:
    assert server.process
    return resident_bytes(server.process.pid)


def request(path: str, body: dict[str, Any]) -> bytes:
    return post(json.dumps({"model": MODEL, **body}).encode(), "Connection: close", path=path)


def nothing_is_kept(server: Server, before: int) -> None:
    deadline = time.monotonic() + 30
    while (kept := memory(server) - before) > len(LARGE) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert kept < 2 * len(LARGE)


@pytest.mark.parametrize(("path", "body"), CASES.values(), ids=CASES)
def test_nothing_is_kept_of_what_was_answered(path: str, body: dict[str, Any], lonely: Server) -> None:
    before = memory(lonely)
    for _ in range(TIMES):
        with connected(lonely) as connection:
            connection.sendall(request(path, body))
            assert drain(connection).startswith(b"HTTP/1.1 ")
    nothing_is_kept(lonely, before)


def test_nothing_is_kept_of_a_stream_that_failed(lonely: Server, origin: Origin) -> None:
    before = memory(lonely)
    sources = about(PICTURE, PICTURE, origin.url("/nothing"))
    for _ in range(TIMES):
        with connected(lonely) as connection:
            connection.sendall(request("/v1/chat/completions", {**sources, "stream": True}))
            answer = drain(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"invalid_image_url" in answer
    nothing_is_kept(lonely, before)


def test_nothing_is_kept_of_who_has_left(lonely: Server, origin: Origin) -> None:
    before = memory(lonely)
    asked = request("/v1/chat/completions", about(PICTURE, PICTURE, origin.url("/silent")))
    already = len(origin.asked)
    for number in range(TIMES):
        with connected(lonely) as connection:
            connection.sendall(asked)
            deadline = time.monotonic() + 60
            while len(origin.asked) <= already + number and time.monotonic() < deadline:
                time.sleep(0.01)
    assert len(origin.asked) == already + TIMES
    nothing_is_kept(lonely, before)
