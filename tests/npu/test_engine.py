"""The supervisor by itself, in the test's own process."""

import asyncio
from collections.abc import Callable

import pytest
from support.server import Server

from hailo_vision import config, engine
from hailo_vision.engine import Engine, EngineError, State


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Files of a service that is not started; this process's children meet its emulated device."""
    server = Server(tmp_path_factory.mktemp("engine") / "run")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    server.http.close()
    return server


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_process_that_always_crashes_is_given_up(
    stage: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_DELAYS", (0.01, 0.01, 0.01))
    stage.inject(crash_in_load=True)
    supervisor = Engine(config.load(stage.config_file))
    supervisor.start()
    await until(lambda: supervisor.state is State.FAILED)
    assert supervisor.problem
    assert supervisor.problem.code == "npu_gave_up"
    assert "4 times in a row" in supervisor.problem.message
    with pytest.raises(EngineError):
        await supervisor.ready()
    await supervisor.stop()
    assert supervisor.state is State.STOPPED


async def test_a_slow_load_is_ended(stage: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.inject(load_hang=True)
    stage.configure({"model": {"resources_dir": str(stage.directory / "resources"), "load_timeout": 1.0}})
    supervisor = Engine(config.load(stage.config_file))
    supervisor.start()
    await until(lambda: supervisor.state is State.RESTARTING)
    assert supervisor.problem
    assert supervisor.problem.code == "load_timeout"
    stage.inject()
    await until(lambda: supervisor.state is State.READY)
    await supervisor.stop()
