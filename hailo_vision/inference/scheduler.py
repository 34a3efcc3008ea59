"""The queue in front of the NPU: bounded, first come first served, one generation at a time."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from hailo_vision.config import ServerConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.inference.answer import Generation
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.process import Prompt
from hailo_vision.npu.protocol import Problem
from hailo_vision.npu.supervisor import Supervisor

log = logging.getLogger(__name__)

_LOAD_GUESS_SECONDS = 10.0
_LONGEST_WAIT_SECONDS = 600.0
_GENERATION_GUESS_SECONDS = 5.0
_WEIGHT_OF_LAST = 0.3


class Scheduler:
    """Admits generations, and runs the first prepared one in order of arrival on the supervisor."""

    def __init__(self, supervisor: Supervisor, config: ServerConfig) -> None:
        self._supervisor = supervisor
        self._config = config
        self._admitted = 0  # requests; each may take several generations
        self._waiting: list[Generation] = []
        self._running: Generation | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._mean_seconds = _GENERATION_GUESS_SECONDS
        self._runner: asyncio.Task[None] | None = None
        supervisor.in_demand = lambda: bool(self._admitted)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return int(self._running is not None)

    def start(self) -> None:
        self._runner = asyncio.create_task(self._run(), name="scheduler")

    async def stop(self, timeout: float) -> None:
        """Refuse what waits, let the running generation finish within the timeout, then abort it."""
        self._closing = True
        for one in list(self._waiting):
            one.fail(_closing())
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            if self._running:
                self._running.fail(_closing())
        if self._runner:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    def require_open(self) -> None:
        """Raises:
        RequestError: the service is stopping, so that nothing more is run.
        """
        if self._closing:
            raise _closing()

    def require_model(self) -> None:
        """Raises:
        RequestError: the model is loading, has failed, or the service is stopping.
        """
        self.require_open()
        if not self._supervisor.available:
            raise unavailable(self._supervisor)

    @contextmanager
    def admitted(self, patience: float = math.inf) -> Iterator[None]:
        """A block in which a request queues its generations; the model is not unloaded between them.

        Args:
            patience: seconds after which its client gives up by itself.

        Raises:
            RequestError: as require_model; or as many requests wait as may, or more than the client has the
                patience for.
        """
        self.require_model()
        # The running one counts as well: an idle NPU takes one request more than may wait.
        ahead = len(self._waiting) + self.running
        wait = self._mean_seconds * ahead
        if ahead > self._config.queue_size:
            requests = "request is" if self.waiting == 1 else "requests are"
            message = f"The queue is full: {self.waiting} {requests} waiting."
            raise RequestError(Kind.QUEUE_FULL, message, retry_after=wait)
        if wait > min(patience, self._config.request_timeout):
            message = f"The request would have to wait about {wait:.0f} s, which is longer than it may."
            raise RequestError(Kind.QUEUE_FULL, message, retry_after=wait)
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    def submit(self, generation: Generation, prepare: Callable[[], Awaitable[Prompt]]) -> None:
        """Queue an admitted generation, whose prompt is prepared while it waits."""
        generation.position = self.waiting + self.running
        generation.preparation = asyncio.create_task(self._prepare(generation, prepare))
        loop = asyncio.get_running_loop()
        generation.deadline = loop.call_later(self._config.request_timeout, self._expire, generation)
        generation.on_give_up = self._give_up
        # Now: a model that is loaded for a client who then leaves is kept for its next attempt.
        self._supervisor.keep_alive = generation.keep_alive
        self._waiting.append(generation)

    async def _prepare(self, generation: Generation, prepare: Callable[[], Awaitable[Prompt]]) -> None:
        try:
            generation.prompt = await prepare()
            self._wake.set()
        except RequestError as error:
            generation.fail(error)
        except Exception:
            log.exception("Preparing a request failed")
            generation.fail(RequestError(Kind.INTERNAL_ERROR, "The request could not be prepared."))

    def _expire(self, generation: Generation) -> None:
        message = f"The request was not done within {self._config.request_timeout:g} s."
        generation.fail(RequestError(Kind.DEADLINE_EXCEEDED, message))

    def _give_up(self, generation: Generation) -> None:
        if generation is self._running:
            self._supervisor.abort()
        elif generation in self._waiting:
            self._waiting.remove(generation)

    async def _run(self) -> None:
        while True:
            while not self._ready_to_run():
                self._wake.clear()
                await self._wake.wait()
            chosen = time.monotonic()
            try:
                # While the model loads, a waiting one can still be cancelled.
                await self._supervisor.ready()
            except NpuError as error:
                for refused in self._ready_to_run():
                    refused.fail(unavailable(self._supervisor, error.problem))
                continue
            generation = self._running = next(iter(self._ready_to_run()), None)
            if generation is None:
                continue
            self._waiting.remove(generation)
            self._idle.clear()
            generation.load_seconds = time.monotonic() - max(chosen, generation.submitted)
            try:
                await self._serve(generation)
            except Exception:
                log.exception("A generation failed unexpectedly")
                generation.fail(RequestError(Kind.INTERNAL_ERROR, "The generation failed unexpectedly."))
            finally:
                self._running = None
                self._idle.set()

    def _ready_to_run(self) -> list[Generation]:
        return [one for one in self._waiting if one.prompt]

    async def _serve(self, generation: Generation) -> None:
        assert generation.prompt
        started = time.monotonic()
        generation.queue_seconds = started - generation.submitted
        try:
            await self._supervisor.generate(generation.prompt, generation.put)
        except NpuError as error:
            generation.fail(unavailable(self._supervisor, error.problem))
            return
        self._mean_seconds += _WEIGHT_OF_LAST * (time.monotonic() - started - self._mean_seconds)


def unavailable(supervisor: Supervisor, problem: Problem | None = None) -> RequestError:
    """Why the model can't answer now, and when to ask again."""
    problem = problem or supervisor.problem
    progress = supervisor.model_file.progress
    if problem is None and progress:
        seconds = min(max(progress.seconds_left, _LOAD_GUESS_SECONDS), _LONGEST_WAIT_SECONDS)
        message = f"The model file is being fetched: {progress}."
        return RequestError(Kind.MODEL_LOADING, message, retry_after=seconds)
    if problem is None:
        seconds = supervisor.model.load_seconds if supervisor.model else _LOAD_GUESS_SECONDS
        return RequestError(Kind.MODEL_LOADING, "The model is still loading.", retry_after=seconds)
    kind = Kind.SHUTTING_DOWN if problem.code == "shutting_down" else Kind.DEVICE_UNAVAILABLE
    seconds = _LOAD_GUESS_SECONDS if problem.recovery == "retry" else 6 * _LOAD_GUESS_SECONDS
    return RequestError(kind, f"The model is not available: {problem.message}", retry_after=seconds)


def _closing() -> RequestError:
    return RequestError(Kind.SHUTTING_DOWN, "The service is stopping.", retry_after=_LOAD_GUESS_SECONDS)
