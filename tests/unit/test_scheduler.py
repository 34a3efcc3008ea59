"""What the queue admits."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hailo_vision.config import ServerConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.images.loader import ImageWork
from hailo_vision.inference.answer import Generation
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.inference.scheduler import Scheduler, unavailable
from hailo_vision.npu.process import Prompt
from hailo_vision.npu.protocol import Generate, Sampling
from hailo_vision.npu.supervisor import Supervisor


class Busy:
    """A supervisor whose model answers, but nobody yet."""

    available = True
    keep_alive = 0.0

    async def ready(self) -> None:
        """It is."""

    async def generate(self, *_: object) -> None:
        await endless()

    def abort(self) -> None:
        """Nobody waits for the end."""


async def endless() -> Prompt:
    await asyncio.Event().wait()
    raise AssertionError


async def prepared() -> Prompt:
    return Prompt(Generate("", 0, Sampling(), 1, None), [])


def queued(scheduler: Scheduler, prepare: Callable[[], Awaitable[Prompt]]) -> Generation:
    generation = Generation(GenerationRequest(turns=[], where=""), ImageWork(), 0)
    scheduler.submit(generation, prepare)
    return generation


@pytest.mark.parametrize("config", [{"queue_size": 2}, {"request_timeout": 4.0}])
async def test_what_was_admitted_may_queue_again(config: dict[str, Any]) -> None:
    """An image of a batch, a JSON answer's second attempt: however many wait by then."""
    scheduler = Scheduler(cast(Supervisor, Busy()), ServerConfig(**config))
    with scheduler.admitted():
        waiting = [queued(scheduler, endless) for _ in range(3)]
    with pytest.raises(RequestError) as refused, scheduler.admitted():
        pass
    assert refused.value.kind is Kind.QUEUE_FULL
    scheduler.require_model()
    for one in waiting:
        one.cancel()


async def test_how_long_answers_take_is_learned() -> None:
    class Quick(Busy):
        """Answers three times at once, and then never."""

        answers = 3

        async def generate(self, *_: object) -> None:
            self.answers -= 1
            if self.answers < 0:
                await endless()

    scheduler = Scheduler(cast(Supervisor, Quick()), ServerConfig(request_timeout=4.0))
    scheduler.start()
    for _ in range(4):
        queued(scheduler, prepared)
    async with asyncio.timeout(30):
        while scheduler.waiting:
            await asyncio.sleep(0)
    with scheduler.admitted():
        pass  # by the first guess it would wait 5 s for the one that runs
    await scheduler.stop(0)


@pytest.mark.parametrize(("seconds_left", "retry_after"), [(1.0, 10.0), (99.0, 99.0), (7200.0, 600.0)])
def test_while_the_model_file_is_fetched_nobody_asks_too_soon_or_hours_later(
    seconds_left: float, retry_after: float
) -> None:
    fetching = SimpleNamespace(problem=None, model_file=SimpleNamespace())
    fetching.model_file.progress = SimpleNamespace(seconds_left=seconds_left)
    assert unavailable(cast(Supervisor, fetching)).retry_after == retry_after


@pytest.mark.parametrize(("size", "words"), [(1, "1 request is waiting"), (2, "2 requests are waiting")])
async def test_a_full_queue_says_how_many_wait(size: int, words: str) -> None:
    scheduler = Scheduler(cast(Supervisor, Busy()), ServerConfig(queue_size=size))
    scheduler.start()
    queued(scheduler, prepared)
    while not scheduler.running:
        await asyncio.sleep(0)
    for _ in range(size):
        queued(scheduler, endless)
    with pytest.raises(RequestError, match=words), scheduler.admitted():
        pass
    await scheduler.stop(0)
