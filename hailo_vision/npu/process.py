"""The front process's side of one NPU process: start it, talk to it without waiting, end it."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import msgspec

from hailo_vision.npu import protocol
from hailo_vision.npu.problems import POWER_CYCLE, NpuError
from hailo_vision.npu.protocol import Problem, ProtocolError

# HailoRT writes its warnings to the NPU process's stderr; this logger passes them on to the journal.
stderr_log = logging.getLogger("hailo_vision.npu.worker")
log = logging.getLogger(__name__)

WORKER = (sys.executable, "-m", "hailo_vision.npu.worker")

_RELEASE_SECONDS = 5.0  # for releasing the device after the front has hung up
_EXIT_SECONDS = 2.0  # for leaving after a fault was told, or the socket was closed
_KILL_SECONDS = 5.0  # for the kernel to end a killed process
_DETAIL_LINES = 40

_HINTS: dict[int, str] = {
    signal.SIGKILL: ", as the kernel does when memory is short (see journalctl -k)",
    signal.SIGABRT: ", as HailoRT does where it can't write its log: is the disk full?",
}


class Prompt(NamedTuple):
    """What one generation is made from: the order, and the frames that follow it, as contiguous uint8."""

    order: protocol.Generate
    frames: Sequence[memoryview]


class NpuProcess(asyncio.Protocol):
    """One NPU process, from its start to its end.

        started -- load() --> loaded <-- generate() --> generating
        any of these --> ended: it told a fault, died, sent nonsense, or was stopped or killed

    What callers can rely on:
    - It ends once and with one cause, which `ended` holds; by then the process is gone.
    - load() and generate() raise that cause if the process ends first; they never wait for ever.
    - abort(), stop() and kill() can be called at any time, and again.
    - Silence and idleness are counted from the moment the model is loaded.

    Attributes:
        ended: gets the cause of the end.
    """

    def __init__(self, process: Process) -> None:
        """Made by start()."""
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Problem] = loop.create_future()
        self._process = process
        self._socket: asyncio.WriteTransport
        self._received = bytearray()
        self._loaded: asyncio.Future[protocol.ModelInfo] = loop.create_future()
        self._finished: asyncio.Future[None] | None = None  # of the running generation
        self._unfinished = 0  # generations whose end has not come, though their callers may have left
        self._put: Callable[[protocol.GenerationEvent], None]
        self._heard = self._idle_since = time.monotonic()
        self._last_lines: deque[str] = deque(maxlen=_DETAIL_LINES)
        self._end: asyncio.Task[None] | None = None
        self._stderr = asyncio.create_task(self._relay_stderr(), name="npu-stderr")

    @classmethod
    async def start(cls, command: Sequence[str] = WORKER) -> "NpuProcess":
        """Spawn a new NPU process; its end of the socket is the command's last argument.

        It is never forked: HailoRT's client owns threads and file descriptors.

        Raises:
            OSError: the program can't be started.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *command, str(theirs.fileno()), pass_fds=[theirs.fileno()], stdin=DEVNULL, stderr=PIPE
                )
            loop = asyncio.get_running_loop()
            return (await loop.create_connection(lambda: cls(process), sock=ours))[1]
        except BaseException:
            ours.close()  # a process that runs already notices that and leaves
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ending(self) -> bool:
        """Whether it has ended or is about to: nothing more can be asked of it."""
        return self._end is not None

    async def load(self, order: protocol.Load, timeout: float) -> protocol.ModelInfo:
        """Load the model; once in a process's life.

        Args:
            timeout: seconds, from the start of the process's Python to the loaded model.

        Raises:
            NpuError: it could not be loaded, or not in time.
        """
        self._send(order)
        try:
            async with asyncio.timeout(timeout):
                return await self._loaded
        except TimeoutError:
            cure = "See hailort.log; raise model.load_timeout if the storage is slow."
            await self.kill(Problem("load_timeout", f"The model did not load within {timeout:g} s.", cure))
            raise NpuError(self.ended.result()) from None

    async def generate(self, prompt: Prompt, put: Callable[[protocol.GenerationEvent], None]) -> None:
        """Generate one answer; returns at its end, which comes soon after abort(). One at a time.

        Args:
            put: gets Started, Pieces, Ended, or Refused alone, each at the moment it arrives.

        Raises:
            NpuError: the process ended.
        """
        if self.ended.done():
            raise NpuError(self.ended.result())
        self._unfinished += 1
        self._put = put
        self._finished = asyncio.get_running_loop().create_future()
        self._heard = time.monotonic()
        self._send(prompt.order, prompt.frames)
        try:
            await self._finished
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._finished = None
            self._heard = self._idle_since = time.monotonic()

    def abort(self) -> None:
        """End the running generation, if there is one, as soon as the chip can leave it."""
        if self._finished:
            self._send(protocol.Abort())

    def silent_seconds(self) -> float:
        """Since a running generation's last token or part of its prompt, or an idle process's last sign."""
        return time.monotonic() - self._heard

    def excuse(self, seconds: float) -> None:
        """Count so much less of the silence up to now: this program itself stood still (paused, swapped)."""
        self._heard = min(time.monotonic(), self._heard + max(0.0, seconds))

    def idle_seconds(self) -> float:
        """Since the last generation, or since the model was loaded; below zero during a generation."""
        return -1.0 if self._finished else time.monotonic() - self._idle_since

    async def stop(self) -> None:
        """Hang up, so that the process releases the device and leaves; kill it if it does not."""
        await self._gone(STOPPED, _RELEASE_SECONDS)

    async def kill(self, cause: Problem) -> None:
        """End the process now, whatever it does."""
        await self._gone(cause, 0)

    async def _gone(self, cause: Problem, patience: float) -> None:
        self._hang_up(cause, patience)
        await asyncio.wait({self.ended})

    def _send(self, message: protocol.ToNpu, frames: Sequence[memoryview] = ()) -> None:
        """Queue a message and the frames that belong to it, unless the process is ending; never waits.

        What is queued is bounded by one Generate, since there is one generation at a time.
        """
        if not self.ending and not self._socket.is_closing():
            self._socket.writelines([protocol.encode(message), *frames])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Take every message that is complete."""
        self._received += data
        try:
            while not self.ending and (message := protocol.next_message(self._received)):
                self._take(message)
        except Exception as error:
            if not isinstance(error, ProtocolError):  # the receiver's: without it the process is no use
                log.exception("What the NPU process said could not be passed on")
            said = f"The NPU process could not be used: {error}"
            self._hang_up(Problem("npu_protocol", said, "See the journal."), 0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hang_up(None, _EXIT_SECONDS)

    def _hang_up(self, cause: Problem | None, patience: float) -> None:
        """Let it end, by itself within `patience` seconds. The first cause counts; None: to be found out."""
        if self._end is None:
            self._socket.close()
            self._end = asyncio.create_task(self._see_off(cause, patience), name="npu-end")

    async def _see_off(self, cause: Problem | None, patience: float) -> None:
        """See to it that the process is gone, and tell why."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), patience)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        try:
            async with asyncio.timeout(_KILL_SECONDS):
                await self._process.wait()
                await self._stderr
            cause = cause or self._post_mortem()
        except TimeoutError:
            cause = Problem(
                "npu_unkillable",
                f"The NPU process (pid {self.pid}) can't be killed: it hangs in the driver.",
                "See journalctl -k. Reboot the Pi; if it comes back, power-cycle it.",
            )
        cause = msgspec.structs.replace(cause, detail="\n".join(self._last_lines))
        self.ended.set_result(cause)
        for awaited in (self._loaded, self._finished):
            if awaited and not awaited.done():
                awaited.set_exception(NpuError(cause))
                awaited.exception()  # asyncio need not complain where nobody waits

    def _take(self, message: protocol.FromNpu) -> None:
        # Alive proves no progress of a generation: it was sent before.
        if not (self._finished and isinstance(message, protocol.Alive)):
            self._heard = time.monotonic()
        match message:
            case protocol.Hello(version):
                if version != protocol.PROTOCOL:
                    raise ProtocolError(f"it speaks protocol {version} instead of {protocol.PROTOCOL}")
            case protocol.Loaded(model):
                if self._loaded.done():
                    raise ProtocolError("a second Loaded")
                self._idle_since = time.monotonic()
                self._loaded.set_result(model)
            case protocol.Failed(problem):
                self._hang_up(problem, _EXIT_SECONDS)
            case protocol.Alive() | protocol.Progress():
                pass
            case event:
                if self._unfinished == 0:
                    raise ProtocolError(f"{type(event).__name__} without a generation")
                is_end = protocol.is_end(event)
                # What comes of generations before, whose callers have left, is dropped.
                if self._unfinished == 1 and self._finished and not self._finished.done():
                    self._put(event)
                    if is_end:
                        self._finished.set_result(None)
                self._unfinished -= is_end

    async def _relay_stderr(self) -> None:
        """Pass on to the journal what the process writes to stderr, and keep the last lines."""
        assert self._process.stderr
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # longer than the reader holds, which has dropped it
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._last_lines.append(text)
            stderr_log.warning("%s", text)

    def _post_mortem(self) -> Problem:
        """Why the process is gone that has closed its end without a word."""
        code = self._process.returncode or 0
        if code == -signal.SIGABRT and self._loaded.done():
            # HailoRT ends a process that releases a generation whose link is lost (std::terminate).
            how = f"HailoRT aborted the NPU process (pid {self.pid}, SIGABRT)"
            return Problem("device_lost", f"The link to the Hailo chip was lost: {how}.", POWER_CYCLE)
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return Problem(
            "npu_crashed",
            f"The NPU process ended {how}{_HINTS.get(-code, '')}.",
            "It is restarted. If it comes back, see the journal and hailort.log.",
        )


STOPPED = Problem("shutting_down", "The service is stopping.", "Ask again once it has started.")
