"""The NPU as an asynchronous object: it loads, generates, aborts, heals, and tells its state.

    starting -> fetching -> loading                        the model file, if it is missing and has an address
    starting -> loading -> ready <-> generating
                   ^         |
                   |         +-> unloading -> unloaded     idle for keep_alive; the next request loads again
                   +- restarting                           after a fault that a new process may cure
    failed                                                 after a fault that it can't cure
    stopped

Nothing here ever waits on the NPU but a task that does only that, so the front process answers in
every state.
"""

import asyncio
import enum
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hailo_vision.config import Config
from hailo_vision.npu.model_file import ModelFile
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.process import Link
from hailo_vision.npu.protocol import (
    PROTOCOL,
    Abort,
    Ended,
    Failed,
    FromNpu,
    Generate,
    Hello,
    Load,
    Loaded,
    ModelInfo,
    Pieces,
    Ping,
    Pong,
    Problem,
    ProtocolError,
    Refused,
    Sampling,
    Started,
)

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
_HEF_WATCH_SECONDS = 2.0
_DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # before another try, after so many failures in a row

GenerationEvent = Started | Refused | Pieces | Ended
_EVENTS = (Pieces, Started, Refused, Ended)
_ENDS = (Refused, Ended)


class State(enum.StrEnum):
    STARTING = "starting"
    FETCHING = "fetching"
    LOADING = "loading"
    READY = "ready"
    GENERATING = "generating"
    UNLOADING = "unloading"
    UNLOADED = "unloaded"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


class NpuUnavailable(Exception):
    """The NPU can't do the work now; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True)
class Prompt:
    """One generation's input.

    Attributes:
        frames: the bytes of uint8 arrays of the model's frame shape, one for each placeholder in the text.
        max_tokens: clamped to what the context holds.
        context_key: whose context may be reused and kept; None for nobody's.
    """

    text: str
    frames: Sequence[memoryview]
    sampling: Sampling
    max_tokens: int
    context_key: str | None = None


class Supervisor:
    """Supervises one NPU process after the other.

    Attributes:
        state: where it is in the picture above.
        problem: the last fault, until the model is ready again.
        model: what the loaded model said of itself; kept while it is unloaded.
        keep_alive: idle seconds after which the model is unloaded.
        model_file: the file that is loaded, and the transfer of a missing one.
        loads: how often a model was loaded.
        listeners: called after every change of state, and now and then while a file is fetched.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.state = State.STARTING
        self.problem: Problem | None = None
        self.model: ModelInfo | None = None
        self.keep_alive = config.model.keep_alive_seconds
        self.model_file = ModelFile(config.model)
        self.loads = 0
        self.listeners: list[Callable[[], None]] = []
        self._failures = 0
        self._crashes = 0
        self._numbers = itertools.count(1)
        self._life: Life | None = None
        self._settled = asyncio.Event()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether a request may queue: the model is loaded, or was unloaded for being idle."""
        if self.state in (State.READY, State.GENERATING):
            return True
        on_demand = self.state in (State.UNLOADING, State.UNLOADED, State.LOADING)
        return on_demand and self.model is not None and self.problem is None

    @property
    def pid(self) -> int | None:
        """The NPU process, if one has loaded the model."""
        return self._life.link.pid if self._life else None

    @property
    def idle_seconds(self) -> float:
        """Since the last generation; below zero while one runs, and without a loaded model."""
        return self._life.idle_seconds() if self._life else -1.0

    @property
    def supervised(self) -> bool:
        """Whether the NPU process is looked after; False only if this program itself is broken."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._supervise(), name="npu-supervisor")

    async def stop(self) -> None:
        """Release the device and end the NPU process."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._become(State.STOPPED)

    async def ready(self) -> None:
        """Wait until the model can generate; loads it if it was unloaded.

        Raises:
            NpuUnavailable: it has failed for good, or is being stopped.
        """
        while self.state is not State.READY:
            self._wanted.set()
            await self._settled.wait()
            if self.state in (State.FAILED, State.STOPPED):
                raise NpuUnavailable(self.problem or _STOPPED)

    async def generate(self, prompt: Prompt, put: Callable[[GenerationEvent], None]) -> None:
        """Generate one answer; returns at its end, which comes soon after abort().

        One at a time, only when ready(). put gets Started, Pieces, Ended, or Refused alone, each at the
        moment it arrives.

        Raises:
            NpuUnavailable: the NPU process failed meanwhile; the supervisor is already at work.
        """
        life = self._life
        if life is None or self.state is not State.READY:
            raise NpuUnavailable(self.problem or _STOPPED)
        self._become(State.GENERATING)
        try:
            await life.generate(next(self._numbers), prompt, put)
            self._failures = self._crashes = 0
        finally:
            life.end()
            if self._life is life:
                self._become(State.READY)

    def abort(self) -> None:
        """End the running generation after the token or prefill chunk that is at work."""
        if self._life:
            self._life.abort()

    async def _supervise(self) -> None:
        """One life of an NPU process after the other, until stop() cancels this task."""
        while True:
            try:
                await self._fetch()
                problem = await self._live()
            except NpuUnavailable as error:
                problem = error.problem
            except (OSError, ProtocolError) as error:
                problem = _broken_process(error)
            if problem is None:
                self._become(State.UNLOADED)
                await self._wanted.wait()
            else:
                await self._recover(problem)

    async def _fetch(self) -> None:
        """Have the model file brought if it is missing.

        Raises:
            NpuUnavailable: it can't be had now.
        """
        if self.model_file.fetchable():
            self._become(State.FETCHING)
            try:
                await self.model_file.fetch(self._tell)
            except NpuError as error:
                raise NpuUnavailable(error.problem) from None

    async def _live(self) -> Problem | None:
        """Start a process, load, serve; returns the fault that ended it, None for an unload."""
        self._become(State.LOADING, self.problem)
        link = await Link.start()
        problem: Problem | None = None
        try:
            self.model = await self._load(link)
            self.loads += 1
            log.info("Model loaded in %.1f s from %s", self.model.load_seconds, self.model.hef_path)
            # Silence and idleness count from here: how long a load may take is load_timeout's alone.
            life = self._life = Life(link)
            self._become(State.READY)
            problem = await self._watch(life)
            if problem is None:
                self._wanted.clear()
                self._become(State.UNLOADING)
                await link.stop()
            return problem
        except asyncio.CancelledError:
            await link.stop()
            raise
        finally:
            if self._life:
                self._life.fail(problem or _STOPPED)
                self._life = None
            await link.kill()

    async def _load(self, link: Link) -> ModelInfo:
        model, npu = self._config.model, self._config.npu
        try:
            async with asyncio.timeout(model.load_timeout):
                hello = await link.receive()
                if not isinstance(hello, Hello) or hello.protocol != PROTOCOL:
                    raise ProtocolError(f"{type(hello).__name__} instead of Hello {PROTOCOL}")
                found = self.model_file.find()
                path = str(found) if found else model.hef_path
                link.send(Load(path, model.name, model.resources_dir, npu.device_group, npu.device_nodes))
                answer = await link.receive()
        except TimeoutError:
            raise NpuUnavailable(_slow_load(model.load_timeout)) from None
        except EOFError:
            raise NpuUnavailable(await link.post_mortem()) from None
        if isinstance(answer, Failed):
            raise NpuUnavailable(answer.problem)
        if not isinstance(answer, Loaded):
            raise ProtocolError(f"{type(answer).__name__} instead of Loaded")
        return answer.model

    async def _watch(self, life: "Life") -> Problem | None:
        """Read what the process says until it fails, falls silent, or has been idle for keep_alive."""
        reader = asyncio.create_task(life.read(), name="npu-reader")
        try:
            while True:
                await asyncio.wait({reader}, timeout=_TICK_SECONDS)
                if reader.done():
                    return reader.result()
                if life.silent_seconds() > self._config.npu.stall_timeout:
                    return _silent(life)
                if life.idle_seconds() >= self.keep_alive:
                    log.info("Unloading the model: idle for %g s (keep_alive)", self.keep_alive)
                    return None
                life.ping(every=self._config.npu.stall_timeout / 4)
        finally:
            reader.cancel()

    async def _recover(self, problem: Problem) -> None:
        """Tell the fault; return when another try may help."""
        self._failures += 1
        self._crashes += problem.code in _CRASHES
        if self._crashes > len(_DELAYS):
            problem = _gave_up(problem, self._crashes)
        log.error("%s: %s Cure: %s", problem.code, problem.message, problem.cure)
        if problem.recovery == "retry":
            delay = _DELAYS[min(self._failures, len(_DELAYS)) - 1]
            self._become(State.RESTARTING, problem)
            await asyncio.sleep(delay)
            return
        self._become(State.FAILED, problem)
        before = self.model_file.fingerprint()
        while problem.recovery == "never" or before == self.model_file.fingerprint():
            await asyncio.sleep(_HEF_WATCH_SECONDS)
        self._failures = 0

    def _become(self, state: State, problem: Problem | None = None) -> None:
        self.state, self.problem = state, problem
        if state in (State.READY, State.FAILED, State.STOPPED):
            self._settled.set()
        else:
            self._settled.clear()
        self._tell()

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()


class Life:
    """One NPU process that has loaded its model: what it says and when it last said something."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._put: Callable[[GenerationEvent], None]
        self._ended: asyncio.Future[None] | None = None
        self._failure: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()
        self._generation: int | None = None
        self._heard = self._idle_since = self._pinged = time.monotonic()

    async def generate(self, number: int, prompt: Prompt, put: Callable[[GenerationEvent], None]) -> None:
        """Pass on the events of one generation until its end.

        Raises:
            NpuUnavailable: the process failed.
        """
        self._put = put
        self._ended = asyncio.get_running_loop().create_future()
        self._generation = number
        self._heard = time.monotonic()
        self.link.send(
            Generate(
                number,
                prompt.text,
                len(prompt.frames),
                prompt.sampling,
                prompt.max_tokens,
                prompt.context_key,
            ),
            prompt.frames,
        )
        await self._ended

    def fail(self, problem: Problem) -> None:
        """The process is gone: end what runs on it."""
        if self._ended and not self._ended.done():
            self._ended.set_exception(NpuUnavailable(problem))

    def end(self) -> None:
        self._generation = None
        self._heard = self._idle_since = time.monotonic()

    def abort(self) -> None:
        if self._generation is not None:
            self.link.send(Abort(self._generation))

    def ping(self, every: float) -> None:
        """Ask an idle process for a sign of life, every so many seconds."""
        now = time.monotonic()
        if self._generation is None and now - self._pinged >= every:
            self._pinged = now
            self.link.send(Ping(0))

    def silent_seconds(self) -> float:
        """Since the last token of a running generation, or the last sign of an idle process."""
        return time.monotonic() - self._heard

    def idle_seconds(self) -> float:
        """Since the last generation; below zero while one runs."""
        return -1.0 if self._generation is not None else time.monotonic() - self._idle_since

    async def read(self) -> Problem:
        """Pass on what the process says; returns why it ended."""
        self.link.listener = self._take
        ends: set[asyncio.Future[Any]] = {self._failure, self.link.closed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._failure.done():
            return self._failure.result()
        self.link.closed.result()
        return await self.link.post_mortem()

    def _take(self, message: FromNpu) -> None:
        if isinstance(message, _EVENTS) and message.id == self._generation:
            self._hear(idle=False)
            self._put(message)
            if isinstance(message, _ENDS) and self._ended and not self._ended.done():
                self._ended.set_result(None)
        elif isinstance(message, Failed):
            self._failure.set_result(message.problem)
        elif isinstance(message, Pong):
            self._hear(idle=True)
        else:
            raise ProtocolError(f"{type(message).__name__} out of turn")

    def _hear(self, *, idle: bool) -> None:
        """A Pong during a generation proves no progress of the chip, so it does not count."""
        if idle == (self._generation is None):
            self._heard = time.monotonic()


_STOPPED = Problem("shutting_down", "The service is stopping.", "Ask again once it has started.")
_CRASHES = frozenset({"npu_crashed", "npu_silent", "npu_protocol"})


def _slow_load(seconds: float) -> Problem:
    return Problem(
        "load_timeout",
        f"The model did not load within {seconds:g} s.",
        "See hailort.log; raise model.load_timeout if the storage is slow.",
    )


def _silent(life: Life) -> Problem:
    return Problem(
        "npu_silent",
        f"The NPU process (pid {life.link.pid}) gave no sign of life for {life.silent_seconds():.0f} s.",
        "It is killed and restarted. If it comes back, see hailort.log and power-cycle the Pi.",
    )


def _broken_process(error: Exception) -> Problem:
    return Problem("npu_protocol", f"The NPU process could not be used: {error}", "See the journal.")


def _gave_up(problem: Problem, failures: int) -> Problem:
    return Problem(
        "npu_gave_up",
        f"The NPU process failed {failures} times in a row, last: {problem.message}",
        "Each load may use up contiguous memory for good, so it is not tried again. See the journal and "
        "hailort.log, then restart the service or the Pi.",
        "never",
    )
