"""What an answer cost."""

import asyncio
from types import SimpleNamespace

import pytest

from hailo_vision.images.loader import ImageWork
from hailo_vision.inference import answer
from hailo_vision.inference.answer import Generation, Timings
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.npu.protocol import Ended, Pieces, Started


async def test_a_slow_reader_is_no_slow_npu(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(answer, "time", SimpleNamespace(monotonic=lambda: clock.now))
    generation = Generation(GenerationRequest(turns=[], where=""), ImageWork(), 0)
    generation.deadline = asyncio.get_running_loop().call_later(60, print)
    for event in (Started(5, 0, 0), Pieces(["a"]), Pieces(["b"]), Ended("stop")):
        clock.now += 1
        generation.put(event)
    async for _ in generation.texts():
        clock.now += 30
    assert generation.timings == Timings(prefill=1.0, decode=2.0)
    assert generation.first_token_seconds == 2.0
