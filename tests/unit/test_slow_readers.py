"""A client of a stream that does not read."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sanic import Request

from hailo_vision.config import Config
from hailo_vision.http import events
from hailo_vision.http.events import Stream, Wire


async def test_who_does_not_read_for_a_minute_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_SLOWEST_READER_SECONDS", 0.01)
    aborted = asyncio.Event()

    async def respond(**_: Any) -> Any:
        return SimpleNamespace(send=lambda _: asyncio.Event().wait())

    request = SimpleNamespace(
        app=SimpleNamespace(ctx=SimpleNamespace(config=Config())),
        respond=respond,
        transport=SimpleNamespace(get_write_buffer_size=lambda: 1, abort=aborted.set),
    )
    stream = Stream(cast(Request, request), cast(Wire, SimpleNamespace(content_type="text/event-stream")))
    with pytest.raises(asyncio.CancelledError):
        await stream.send(b"text")
    assert aborted.is_set()
