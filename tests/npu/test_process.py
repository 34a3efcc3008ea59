"""The contract of NpuProcess: every transition and every race, with scripts in the worker's place."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hailo_vision.npu import process as module
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.process import NpuProcess, Prompt
from hailo_vision.npu.protocol import (
    Ended,
    Generate,
    GenerationEvent,
    Load,
    Pieces,
    Problem,
    Refused,
    Sampling,
    Started,
)

ORDER = Load("/nowhere/model.hef", "SHARED", ())
PROMPT = Prompt(Generate("Hello", 0, Sampling(), 10, None), [])
CAUSE = Problem("why", "Because.", "Nothing.")
PREAMBLE = """
import os, signal, socket, sys, time
from hailo_vision.npu.protocol import *
from hailo_vision.npu.worker.channel import Channel
wire = socket.socket(fileno=int(sys.argv[-1]))
channel = Channel(wire)
channel.send(Hello(PROTOCOL))
channel.receive()
"""
LOADED = "channel.send(Loaded(ModelInfo('{{}}', (28, 28, 3), 2048, 1, 5, '5.1.1', True, 'model.hef', 1.0)))\n"
HANG = "time.sleep(600)\n"
LEAVE = "channel.receive()\n"  # ends with EOFError once the front has hung up
ANSWER = """
channel.receive()
channel.send(Started(3, 0, 0), Pieces(["a"]), Ended("stop"))
"""

Start = Callable[[str], Awaitable[NpuProcess]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a process whose worker is PREAMBLE and the given script."""
    started: list[NpuProcess] = []

    async def one(script: str) -> NpuProcess:
        started.append(await NpuProcess.start((sys.executable, "-c", PREAMBLE + script)))
        return started[-1]

    yield one
    for process in started:
        await process.kill(CAUSE)


@pytest.fixture
def loaded(start: Start) -> Start:
    """The same, and its model is loaded."""

    async def one(script: str) -> NpuProcess:
        process = await start(LOADED + script)
        await process.load(ORDER, 60)
        return process

    return one


async def cause_of(work: Awaitable[object]) -> Problem:
    with pytest.raises(NpuError) as caught:
        await work
    return caught.value.problem


async def answer(process: NpuProcess) -> list[GenerationEvent]:
    events: list[GenerationEvent] = []
    await process.generate(PROMPT, events.append)
    return events


async def until_heard_again(process: NpuProcess) -> None:
    """Wait until its silence is shorter than it was a moment ago."""
    silent = 0.0
    async with asyncio.timeout(60):
        while silent <= (silent := process.silent_seconds()):
            await asyncio.sleep(0.01)


def is_gone(process: NpuProcess) -> bool:
    return not Path("/proc", str(process.pid)).exists()


async def test_a_model_is_loaded_and_generates_twice(loaded: Start) -> None:
    process = await loaded(ANSWER * 2 + LEAVE)
    for _ in range(2):
        assert await answer(process) == [
            Started(3, 0, 0),
            Pieces(["a"]),
            Ended("stop"),
        ]
    await process.stop()
    assert process.ended.result().code == "shutting_down"
    assert is_gone(process)


async def test_a_refusal_ends_a_generation(loaded: Start) -> None:
    process = await loaded("channel.receive()\nchannel.send(Refused(3000, 2048))\n" + LEAVE)
    assert await answer(process) == [Refused(3000, 2048)]


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("channel.send(Failed(Problem('told', 'By the worker.', 'Cure.')))\n", "told", "By the worker."),
        ("os._exit(3)\n", "npu_crashed", "ended with status 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)\n", "npu_crashed", "memory is short"),
        ("os.kill(os.getpid(), signal.SIGSEGV)\n", "npu_crashed", "SIGSEGV"),
        ("wire.close()\n" + HANG, "npu_crashed", "SIGKILL"),
        ("wire.sendall(bytes(4) + b'nonsense')\n" + HANG, "npu_protocol", "undecodable"),
        ("wire.sendall(b'\\xff' * 4)\n" + HANG, "npu_protocol", "announced"),
        ("channel.send(Hello(PROTOCOL + 1))\n" + HANG, "npu_protocol", "protocol"),
    ],
)
@pytest.mark.parametrize("when", ["starting", "idle", "generating"])
async def test_every_end_has_its_cause(when: str, script: str, code: str, words: str, start: Start) -> None:
    before = {"starting": "", "idle": LOADED, "generating": LOADED + "channel.receive()\n"}
    process = await start(before[when] + script)
    if when == "starting":
        cause = await cause_of(process.load(ORDER, 60))
    else:
        await process.load(ORDER, 60)
        cause = await (process.ended if when == "idle" else cause_of(answer(process)))
    assert cause == process.ended.result()
    assert is_gone(process)
    assert (cause.code, words in cause.message) == (code, True), cause


async def test_an_abort_is_a_lost_link_only_once_there_was_one(start: Start, loaded: Start) -> None:
    """HailoRT aborts where its log can't be made, and where a generation is released whose link is lost."""
    assert (await (await loaded("os.abort()\n")).ended).code == "device_lost"
    early = await cause_of((await start("os.abort()\n")).load(ORDER, 60))
    assert early.code == "npu_crashed"
    assert "is the disk full?" in early.message


@pytest.mark.parametrize("script", ["channel.send(Loaded(None))\n", LOADED, "channel.send(Pieces(['a']))\n"])
async def test_what_is_out_of_turn_ends_it(script: str, loaded: Start) -> None:
    process = await loaded(script + HANG)
    assert (await process.ended).code == "npu_protocol"


async def test_a_load_that_takes_too_long_is_ended(start: Start) -> None:
    process = await start(HANG)
    cause = await cause_of(process.load(ORDER, 0.1))
    assert cause.code == "load_timeout"
    assert is_gone(process)


async def test_what_it_wrote_to_stderr_is_the_causes_detail(
    loaded: Start, caplog: pytest.LogCaptureFixture
) -> None:
    process = await loaded(
        "print('x' * 200_000, 'first', *range(100), 'last words', sep='\\n', file=sys.stderr, flush=True)\n"
        "os.abort()\n"
    )
    cause = await process.ended
    assert cause.detail.splitlines()[-2:] == ["99", "last words"]
    assert len(cause.detail.splitlines()) == 40
    assert "first" in caplog.messages


async def test_a_dead_process_answers_everything_at_once(loaded: Start) -> None:
    """S3 and S8: whoever comes before the supervisor has noticed gets the cause, and nothing raises."""
    process = await loaded(HANG)
    os.kill(process.pid, 9)
    asked = asyncio.create_task(answer(process))  # before the event loop has heard of the death
    cause = await cause_of(asked)
    assert cause.code == "npu_crashed"
    assert await cause_of(answer(process)) == cause
    process.abort()
    await process.stop()
    await process.kill(CAUSE)
    assert process.ended.result() == cause


async def test_stop_lets_it_release_the_device(loaded: Start, tmp_path: Path) -> None:
    released = tmp_path / "released"
    process = await loaded(
        f"try:\n    channel.receive()\nexcept EOFError:\n    open({str(released)!r}, 'w').close()\n"
    )
    await asyncio.gather(process.stop(), process.stop())
    assert released.exists()
    assert is_gone(process)


async def test_who_does_not_leave_is_killed(loaded: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RELEASE_SECONDS", 0.1)
    process = await loaded(HANG)
    await process.stop()
    assert is_gone(process)


async def test_who_can_not_be_killed_is_told(loaded: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in a system call that the driver never ends."""
    process = await loaded(HANG)
    monkeypatch.setattr(module, "_KILL_SECONDS", 0.1)
    with monkeypatch.context() as driver:
        driver.setattr("asyncio.subprocess.Process.kill", lambda _: None)
        await process.kill(CAUSE)
    cause = process.ended.result()
    os.kill(process.pid, 9)
    await asyncio.gather(process._process.wait(), process._stderr)
    assert (cause.code, f"pid {process.pid}" in cause.message) == ("npu_unkillable", True)


async def test_stop_ends_what_runs(loaded: Start) -> None:
    process = await loaded(LEAVE + LEAVE)
    running = asyncio.create_task(answer(process))
    await asyncio.sleep(0)
    await process.stop()
    assert (await cause_of(running)).code == "shutting_down"


async def test_the_first_cause_stands(loaded: Start) -> None:
    process = await loaded(HANG)
    await asyncio.gather(process.kill(CAUSE), process.stop(), process.kill(Problem("other", "", "")))
    assert process.ended.result() == CAUSE


async def test_an_abort_reaches_the_running_generation(loaded: Start) -> None:
    process = await loaded(
        "channel.receive()\nchannel.send(Started(3, 0, 0))\n"
        "assert isinstance(channel.receive(), Abort)\nchannel.send(Ended('aborted'))\n" + LEAVE
    )
    process.abort()  # without effect: nothing runs
    events: list[GenerationEvent] = []

    def put(event: GenerationEvent) -> None:
        events.append(event)
        process.abort()

    await process.generate(PROMPT, put)
    assert events == [Started(3, 0, 0), Ended("aborted")]


async def test_a_caller_that_leaves_aborts_and_its_events_go_to_nobody(loaded: Start) -> None:
    process = await loaded(
        "channel.receive()\nassert isinstance(channel.receive(), Abort)\n"
        "channel.send(Pieces(['late']), Ended('aborted'))\n" + ANSWER + LEAVE
    )
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(answer(process), 0.05)
    assert await answer(process) == [Started(3, 0, 0), Pieces(["a"]), Ended("stop")]


async def test_a_listener_that_raises_ends_the_process_with_a_cause(loaded: Start) -> None:
    process = await loaded(ANSWER + HANG)

    def put(event: GenerationEvent) -> None:
        raise RuntimeError("broken listener")

    cause = await cause_of(process.generate(PROMPT, put))
    assert "broken listener" in cause.message


async def test_silence_and_idleness_count_from_what_was_heard_last(start: Start) -> None:
    began = time.monotonic()
    process = await start("time.sleep(1)\n" + LOADED + "channel.receive()\n" + HANG)
    await process.load(ORDER, 60)
    assert max(process.silent_seconds(), process.idle_seconds()) <= time.monotonic() - began - 1
    running = asyncio.create_task(answer(process))
    await asyncio.sleep(0.2)
    assert process.idle_seconds() < 0
    assert process.silent_seconds() >= 0.2
    ended = time.monotonic()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert 0 <= process.idle_seconds() <= time.monotonic() - ended


async def test_an_idle_process_gives_signs_of_life(loaded: Start) -> None:
    process = await loaded("while True:\n    time.sleep(0.3)\n    channel.send(Alive())\n")
    await until_heard_again(process)
    running = asyncio.create_task(answer(process))
    await asyncio.sleep(0.5)
    assert process.silent_seconds() >= 0.5  # they prove no progress of a generation
    running.cancel()


async def test_a_part_of_a_prompt_is_a_sign_of_life(loaded: Start) -> None:
    process = await loaded("channel.receive()\nchannel.receive()\nchannel.send(Progress())\n" + HANG)
    running = asyncio.create_task(answer(process))
    await asyncio.sleep(0.3)
    process.abort()  # here only what the script waits for
    await until_heard_again(process)
    running.cancel()


async def test_a_program_that_can_not_be_started_is_told() -> None:
    with pytest.raises(FileNotFoundError):
        await NpuProcess.start(("/nowhere/python",))
