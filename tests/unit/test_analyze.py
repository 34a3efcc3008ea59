"""A batch beside other requests."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from hailo_vision.config import Config
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.openai.analyze import Batch
from hailo_vision.http.openai.request_types import AnalyzeRequest
from hailo_vision.http.request_log import RequestRecord
from hailo_vision.inference.service import Service

IMAGES = 20


async def test_others_get_their_turn_between_images_that_are_refused_at_once() -> None:
    """A long schema is written out and refused for each of them: together that once took five seconds."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def answer(_: object) -> None:
        raise RequestError(Kind.INVALID_SCHEMA, "It is too long.")

    service = cast(Service, SimpleNamespace(config=Config(), answer=answer))
    body = AnalyzeRequest(images=["x"] * IMAGES, prompt="?")
    batch: Any = Batch(service, body, "client", RequestRecord("id", "/v1/vision/analyze", "address"))
    task = asyncio.create_task(other())
    assert len([result async for result in batch.results()]) == IMAGES
    task.cancel()
    assert turns >= IMAGES
