"""Keeps an NPU process running: loads the model, generates, restarts after faults, and tells the state.

    starting -> fetching -> loading                        while a missing model file is fetched
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
import logging
import time
from collections.abc import Callable

from hailo_vision.config import Config
from hailo_vision.npu.model_file import ModelFile
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.process import STOPPED, NpuProcess, Prompt
from hailo_vision.npu.protocol import GenerationEvent, Load, ModelInfo, Problem

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
_HEF_WATCH_SECONDS = 2.0
_FETCH_WATCH_SECONDS = 0.5
_DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # before another try; the longer, the more failures in a row
_CRASHES = frozenset({"npu_crashed", "npu_silent", "npu_protocol", "npu_unkillable"})


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


class Supervisor:
    """Supervises one NPU process after the other.

    Attributes:
        state: where it is in the diagram above.
        problem: the last fault, until the model is ready again.
        model: what the loaded model reported about itself; kept while it is unloaded.
        keep_alive: idle seconds after which the model is unloaded.
        in_demand: whether requests need the model, which then is not unloaded.
        model_file: the file to load, and the progress if it is being fetched.
        loads: how often a model was loaded.
        listeners: called after every change of state, and now and then while a file is fetched.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.state = State.STARTING
        self.problem: Problem | None = None
        self.model: ModelInfo | None = None
        self.keep_alive = config.model.keep_alive_seconds
        self.in_demand: Callable[[], bool] = lambda: False
        self.model_file = ModelFile(config.model)
        self.loads = 0
        self.listeners: list[Callable[[], None]] = []
        self._failures = 0
        self._crashes = 0
        self._failed_loads = 0
        self._process: NpuProcess | None = None  # the one that has loaded the model
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
        return self._process.pid if self._process else None

    @property
    def idle_seconds(self) -> float:
        """Since the last generation; below zero while one runs, and without a loaded model."""
        return self._process.idle_seconds() if self._process else -1.0

    @property
    def supervised(self) -> bool:
        """Whether the NPU process is supervised; False only if this program itself is broken."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._supervise(), name="npu-supervisor")

    async def stop(self) -> None:
        """Release the device and end the NPU process."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._become(State.STOPPED)

    async def ready(self) -> None:
        """Wait until the model can generate; loads it if it was unloaded.

        Raises:
            NpuError: it could not be loaded, or is being stopped.
        """
        failed = self._failed_loads
        while self.state is not State.READY:
            self._wanted.set()
            await self._settled.wait()
            if self._failed_loads > failed and self.problem:
                raise NpuError(self.problem)
            if self.state in (State.FAILED, State.STOPPED):
                raise NpuError(self.problem or STOPPED)
            if self.state is State.GENERATING:
                return  # it could: somebody else who waited was first

    async def generate(self, prompt: Prompt, put: Callable[[GenerationEvent], None]) -> None:
        """As NpuProcess.generate(), only when ready().

        Raises:
            NpuError: the NPU process failed meanwhile; the supervisor is already at work.
        """
        process = self._process
        if process is None or self.state is not State.READY:
            raise NpuError(self.problem or STOPPED)
        self._become(State.GENERATING)
        try:
            await process.generate(prompt, put)
            self._failures = self._crashes = 0
        finally:
            if self._process is process and not process.ending:
                self._become(State.READY)

    def abort(self) -> None:
        """End the running generation as soon as the chip can leave it."""
        if self._process:
            self._process.abort()

    async def _supervise(self) -> None:
        """Run one NPU process after the other, until stop() cancels this task."""
        problem: Problem | None = None
        while True:
            try:
                if problem:
                    await self._recover(problem)
                problem = None
                while self.model_file.is_fetched():
                    self._become(State.FETCHING, self.model_file.problem())
                    await asyncio.sleep(_FETCH_WATCH_SECONDS)
                problem = await self._run()
                if problem is None:
                    self._become(State.UNLOADED)
                    await self._wanted.wait()
            except NpuError as error:
                problem = error.problem
            except Exception as error:  # whatever it is, it ends in a state with a cause
                log.exception("Supervising the NPU process failed")
                problem = Problem(
                    "npu_error",
                    f"Supervising the NPU process failed: {type(error).__name__}: {error}",
                    "It is tried again. See the journal, and report it.",
                )
            else:
                continue
            self._failed_loads += 1

    async def _run(self) -> Problem | None:
        """Start a process, load, serve; returns the fault that ended it, None for an unload."""
        self._become(State.LOADING, self.problem)
        npu = self._config.npu
        process = await NpuProcess.start()
        try:
            path, beat = str(self.model_file.path), npu.stall_timeout / 4
            order = Load(path, npu.device_group, npu.device_nodes, beat)
            self.model = await process.load(order, self._config.model.load_timeout)
            self.loads += 1
            log.info("Model loaded in %.1f s from %s", self.model.load_seconds, self.model.hef_path)
            self._process = process
            self._become(State.READY)
            problem = await self._watch(process)
            if problem is None:
                self._wanted.clear()
                self._become(State.UNLOADING)
            return problem
        finally:
            try:
                await process.stop()
            finally:  # also when the service stops meanwhile: it is never left behind
                await process.stop()
                self._process = None

    async def _watch(self, process: NpuProcess) -> Problem | None:
        """Wait until the process has ended or fallen silent, or was idle for keep_alive (None)."""
        stall_timeout = self._config.npu.stall_timeout
        while True:
            began = time.monotonic()
            await asyncio.wait({process.ended}, timeout=_TICK_SECONDS)
            process.excuse(time.monotonic() - began - _TICK_SECONDS)
            silent = process.silent_seconds()
            if not process.ended.done() and silent > stall_timeout:
                said = f"The NPU process (pid {process.pid}) gave no sign of life for {silent:.0f} s."
                cure = "It is killed and restarted. If it comes back, see hailort.log and power-cycle the Pi."
                await process.kill(Problem("npu_silent", said, cure))
            if process.ended.done():
                return process.ended.result()
            if process.idle_seconds() >= self.keep_alive and not self.in_demand():
                log.info("Unloading the model: idle for %g s (keep_alive)", self.keep_alive)
                return None

    async def _recover(self, problem: Problem) -> None:
        """Report the fault; return when another try may help."""
        self._failures += 1
        self._crashes += problem.code in _CRASHES
        if self._crashes > len(_DELAYS):
            problem = Problem(
                "npu_gave_up",
                f"The NPU process failed {self._crashes} times in a row, last: {problem.message}",
                "Each load may use up contiguous memory for good, so it is not tried again. See the journal "
                "and hailort.log, then restart the service or the Pi.",
                "never",
            )
        log.error("%s: %s Cure: %s", problem.code, problem.message, problem.cure)
        if problem.recovery == "retry":
            delay = _DELAYS[min(self._failures, len(_DELAYS)) - 1]
            self._become(State.RESTARTING, problem)
            self._settled.set()  # who waits for the model hears of a failed load, and may ask again later
            self._settled.clear()
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
        for listener in self.listeners:
            try:
                listener()
            except Exception:  # a broken listener must not end the supervision
                log.exception("Telling a change of the NPU's state failed")
