"""The supervisor by itself, in the test's own process."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.server import Server

from hailo_vision import config
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.process import Prompt
from hailo_vision.npu.protocol import Generate, Sampling
from hailo_vision.npu.supervisor import State, Supervisor

Supervise = Callable[[Server], Supervisor]

# Seconds that the emulated chip takes for all but loading.
QUICK = {"vdevice_open": 0.0, "frame_encode": 0.01, "prefill_chunk": 0.01, "token": 0.01}


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Server:
    return staged(tmp_path_factory, monkeypatch)


def staged(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, **arguments: Any
) -> Server:
    """Files of a service that is not started; this process's children meet its emulated device."""
    server = Server(tmp_path_factory.mktemp("supervisor") / "run", **arguments)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    server.http.close()
    return server


@pytest.fixture
async def supervise() -> AsyncIterator[Supervise]:
    """Makes the supervisor of a stage's device, and stops it however the test ends: an event loop that is
    closed before that waits for the NPU process for ever."""
    made: list[Supervisor] = []

    def one(stage: Server) -> Supervisor:
        made.append(Supervisor(config.load(stage.config_file)))
        return made[-1]

    yield one
    for supervisor in made:
        await supervisor.stop()


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_process_that_always_crashes_is_given_up(
    stage: Server, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hailo_vision.npu.supervisor._DELAYS", (0.01, 0.01, 0.01))
    stage.inject(crash_in_load=True)
    supervisor = supervise(stage)
    supervisor.start()
    await until(lambda: supervisor.state is State.FAILED)
    assert supervisor.problem
    assert supervisor.problem.code == "npu_gave_up"
    assert "4 times in a row" in supervisor.problem.message
    with pytest.raises(NpuError):
        await supervisor.ready()
    await supervisor.stop()
    assert supervisor.state is State.STOPPED


async def test_a_device_that_is_busy_is_tried_for_as_long_as_it_takes(
    stage: Server, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hailo_vision.npu.supervisor._DELAYS", (0.01,))
    stage.inject(device_busy=True)
    supervisor = supervise(stage)
    states: list[State] = []
    supervisor.listeners.append(lambda: states.append(supervisor.state))
    supervisor.start()
    await until(lambda: states.count(State.RESTARTING) == 3 or State.FAILED in states)
    stage.inject()
    await until(lambda: supervisor.state is State.READY)


async def test_an_answer_ends_a_row_of_crashes(
    stage: Server, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hailo_vision.npu.supervisor._DELAYS", (0.01,))
    supervisor = supervise(stage)
    supervisor.start()

    async def answer_and_crash() -> None:
        await supervisor.generate(Prompt(Generate("Hello", 0, Sampling(), 5, None), []), lambda event: None)
        pid = supervisor.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: supervisor.pid not in (pid, None) or supervisor.state is State.FAILED)

    await until(lambda: supervisor.state is State.READY)
    await answer_and_crash()
    await answer_and_crash()
    assert supervisor.state is State.READY


async def test_a_slow_load_is_ended(stage: Server, supervise: Supervise) -> None:
    stage.inject(load_hang=True)
    model = {"resources_dir": str(stage.directory / "resources")}
    stage.configure({"model": model | {"load_timeout": 1.0}})
    supervisor = supervise(stage)
    supervisor.start()
    await until(lambda: supervisor.state is State.RESTARTING)
    assert supervisor.problem
    assert supervisor.problem.code == "load_timeout"
    stage.inject()
    stage.configure({"model": model})
    supervisor._config = config.load(stage.config_file)  # a busy machine loads in more than a second
    await until(lambda: supervisor.state is State.READY)


@pytest.mark.parametrize("load_seconds", [2, 5.7])
async def test_a_load_may_take_longer_than_the_npu_may_be_silent(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    supervise: Supervise,
    load_seconds: float,
) -> None:
    """Loads of 60 s and 170 s against a stall_timeout of 30 s, all thirty times as fast."""
    stage = staged(
        tmp_path_factory, monkeypatch, emulator={"time_scale": 1.0, "timing": QUICK | {"load": load_seconds}}
    )
    stage.configure({"npu": {"stall_timeout": 1.0}})
    supervisor = supervise(stage)
    states: list[State] = []
    supervisor.listeners.append(lambda: states.append(supervisor.state))
    supervisor.start()
    await until(lambda: supervisor.state is State.READY)
    await asyncio.sleep(1.5)  # longer than the silence that is allowed
    assert states == [State.LOADING, State.READY]
    assert supervisor.loads == 1


async def test_what_this_program_misses_is_no_silence(stage: Server, supervise: Supervise) -> None:
    """A healthy NPU process would be killed, and its memory perhaps lost until a reboot."""
    stage.configure({"npu": {"stall_timeout": 1.0}})
    supervisor = supervise(stage)
    supervisor.start()
    await until(lambda: supervisor.state is State.READY)
    pid = supervisor.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)  # the whole machine was paused: both processes
    os.kill(pid, signal.SIGCONT)
    await asyncio.sleep(1.5)  # longer than the silence that is allowed, from then on
    assert (supervisor.state, supervisor.pid) == (State.READY, pid)


async def test_idle_time_begins_when_the_model_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, supervise: Supervise
) -> None:
    stage = staged(
        tmp_path_factory, monkeypatch, emulator={"time_scale": 1.0, "timing": QUICK | {"load": 2.0}}
    )
    stage.configure({"model": {"keep_alive": "1.5s"}})
    supervisor = supervise(stage)
    supervisor.start()
    await until(lambda: supervisor.state is State.READY)
    loaded = time.monotonic()
    await until(lambda: supervisor.state is State.UNLOADED)
    assert time.monotonic() - loaded >= 1.5


@pytest.mark.parametrize("what", ["is_fetched", "find", "fingerprint"])
async def test_whatever_is_raised_ends_in_a_state_with_a_cause(
    what: str,
    stage: Server,
    supervise: Supervise,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = supervise(stage)
    broken = [True]
    ours = getattr(supervisor.model_file, what)

    def breaks() -> object:
        if broken:
            broken.clear()
            raise ValueError("Invalid IPv6 URL")
        return ours()

    monkeypatch.setattr(supervisor.model_file, what, breaks)
    if what == "fingerprint":  # it is asked for only where another file may help
        stage.hef.rename(stage.hef.with_suffix(".away"))
    supervisor.start()
    await until(lambda: not broken and supervisor.state is State.RESTARTING)
    assert supervisor.problem
    assert (supervisor.problem.code, supervisor.supervised) == ("npu_error", True)
    assert "Invalid IPv6 URL" in supervisor.problem.message
    assert "Supervising the NPU process failed" in caplog.messages
    if what == "fingerprint":
        stage.hef.with_suffix(".away").rename(stage.hef)
    await until(lambda: supervisor.state is State.READY)


async def test_a_listener_that_raises_stops_nothing(
    stage: Server, supervise: Supervise, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervise(stage)
    states: list[State] = []

    def breaks() -> None:
        raise RuntimeError

    supervisor.listeners += [breaks, lambda: states.append(supervisor.state)]
    supervisor.start()
    await until(lambda: supervisor.state is State.READY)
    await supervisor.stop()
    assert states == [State.LOADING, State.READY, State.STOPPED]
    assert "Telling a change of the NPU's state failed" in caplog.messages


async def test_who_asks_in_the_moment_after_a_crash_is_told_the_cause(
    stage: Server, supervise: Supervise
) -> None:
    supervisor = supervise(stage)
    supervisor.start()
    await until(lambda: supervisor.state is State.READY)
    assert supervisor.pid
    os.kill(supervisor.pid, signal.SIGKILL)
    await supervisor.ready()  # it still is, as far as anybody knows
    order = Generate("Hello", 0, Sampling(), 5, None)
    with pytest.raises(NpuError) as caught:
        await supervisor.generate(Prompt(order, []), lambda event: None)
    assert caught.value.problem.code == "npu_crashed"
    await until(lambda: supervisor.state is State.RESTARTING)
    await until(lambda: supervisor.state is State.READY)


async def test_a_stop_while_an_unload_hangs_leaves_no_process_behind(
    stage: Server, supervise: Supervise
) -> None:
    stage.configure({"model": {"resources_dir": str(stage.directory / "resources"), "keep_alive": 0}})
    supervisor = supervise(stage)
    pids: list[int | None] = []
    supervisor.listeners.append(lambda: pids.append(supervisor.pid))
    stage.inject(model_release_hang=True)
    supervisor.start()
    await until(lambda: supervisor.state is State.UNLOADING)
    await supervisor.stop()
    pid = next(pid for pid in pids if pid)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
