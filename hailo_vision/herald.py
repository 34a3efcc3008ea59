"""The engine's state, told to systemd and to the log."""

import asyncio
import logging

from hailo_vision.engine import Engine, State
from hailo_vision.systemd import Notifier

log = logging.getLogger(__name__)

_START_STEP_SECONDS = 30.0


class Herald:
    """Tells every change of state, and feeds the watchdog."""

    def __init__(self, engine: Engine, notifier: Notifier) -> None:
        self._engine = engine
        self._notifier = notifier
        self._told: State | None = None
        self._announced = False
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        engine.listeners.append(self._tell)

    def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._extend_start(), name="systemd-start"))
        if self._notifier.watchdog_seconds:
            self._tasks.append(
                asyncio.create_task(self._feed(self._notifier.watchdog_seconds / 3), name="systemd-watchdog")
            )

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stopping(self) -> None:
        self._stopping = True
        self._notifier.stopping()

    def _tell(self) -> None:
        engine = self._engine
        # A running generation is no news: the model stays ready.
        state = State.READY if engine.state is State.GENERATING else engine.state
        if state is State.FETCHING and engine.model_file.progress:
            self._notifier.status(f"{state}: {engine.model_file.progress}")
        if state is self._told:
            return
        self._told = state
        log.info("NPU %s", state)
        problem = f": {engine.problem.message} {engine.problem.cure}" if engine.problem else ""
        self._notifier.status(state + problem)
        if state in (State.READY, State.FAILED) and not self._announced:
            # A model that can't be loaded is not cured by systemd's restarts; the service stays up and
            # says why.
            self._announced = True
            self._notifier.ready()
            if state is State.READY:
                log.info("Service ready")

    async def _extend_start(self) -> None:
        while not self._announced:
            self._notifier.extend_start(_START_STEP_SECONDS * 2)
            await asyncio.sleep(_START_STEP_SECONDS)

    async def _feed(self, interval: float) -> None:
        """Only a loop that turns gets here, and only a supervisor that watches the NPU lets it pass."""
        while True:
            if self._engine.supervised or self._stopping:
                self._notifier.alive()
            await asyncio.sleep(interval)
