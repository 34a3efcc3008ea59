"""How the NPU process leaves: what it tells before, and what it releases in which order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.server import Server

from hailo_vision.npu.process import NpuProcess, Prompt
from hailo_vision.npu.protocol import Generate, GenerationEvent, Load, Pieces, Sampling

RELEASED = ["release", "unloaded", "vdevice_release"]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """An emulated device that takes its time; this process's children meet it."""
    server = Server(tmp_path / "run", emulator={"time_scale": 1.0, "timing": {"load": 0.1}})
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    server.http.close()
    return server


@pytest.fixture
async def process(stage: Server) -> AsyncIterator[NpuProcess]:
    process = await NpuProcess.start()
    await process.load(Load(str(stage.hef), "SHARED", ()), 60)
    yield process
    await process.stop()


async def begin(process: NpuProcess) -> "asyncio.Task[None]":
    """Begin a generation; returns at its first token."""
    begun = asyncio.Event()

    def put(event: GenerationEvent) -> None:
        if isinstance(event, Pieces):
            begun.set()

    order = Generate("<|im_start|>user\nTell me all.<|im_end|>\n", 0, Sampling(), 500, None)
    running = asyncio.create_task(process.generate(Prompt(order, []), put))
    await begun.wait()
    return running


def ends(stage: Server) -> list[str]:
    return [event["event"] for event in stage.journal() if event["event"] in RELEASED]


async def test_a_front_that_hangs_up_in_a_generation(stage: Server, process: NpuProcess) -> None:
    running = await begin(process)
    await process.stop()
    await asyncio.gather(running, return_exceptions=True)
    assert ends(stage) == RELEASED


async def test_an_uncaught_exception_is_told_and_everything_released(
    stage: Server, process: NpuProcess
) -> None:
    running = await begin(process)
    process._socket.write(b"\xff" * 4)  # the length of no message
    await asyncio.gather(running, return_exceptions=True)
    cause = process.ended.result()
    assert cause.code == "npu_crashed"
    assert "ProtocolError: a message of 4294967295 bytes was announced" in cause.message
    assert "Traceback (most recent call last)" in cause.detail, cause.detail
    assert ends(stage) == RELEASED


async def test_a_failure_of_hailort_is_told_without_touching_it_again(stage: Server) -> None:
    stage.inject(vdevice_status=76)
    process = await NpuProcess.start()
    with pytest.raises(Exception, match="versions"):
        await process.load(Load(str(stage.hef), "SHARED", ()), 60)
    assert process.ended.result().code == "driver_mismatch"
    assert ends(stage) == []
