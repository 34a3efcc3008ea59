"""A batch beside other requests."""

from types import SimpleNamespace
from typing import Any, cast

from support.turns import turns_of_another

from hailo_vision.config import Config
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.openai.analyze import Batch
from hailo_vision.http.openai.request_types import AnalyzeRequest
from hailo_vision.http.request_log import RequestRecord
from hailo_vision.inference.service import Service

IMAGES = 20


async def test_others_get_their_turn_between_images_that_are_refused_at_once() -> None:
    """A long schema is written out and refused for each of them: together that once took five seconds."""

    def answer(_: object) -> None:
        raise RequestError(Kind.INVALID_SCHEMA, "It is too long.")

    service = cast(Service, SimpleNamespace(config=Config(), answer=answer))
    body = AnalyzeRequest(images=["x"] * IMAGES, prompt="?")
    batch: Any = Batch(service, body, "client", RequestRecord("id", "/v1/vision/analyze", "address"))
    with turns_of_another() as turns:
        assert len([result async for result in batch.results()]) == IMAGES
        assert turns() >= IMAGES
