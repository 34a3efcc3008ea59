"""The front process's end of the NPU process: start it, talk to it without waiting, end it."""

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence

from hailo_vision.npu import messages
from hailo_vision.npu.messages import FromNpu, Problem, ToNpu

_GRACE_SECONDS = 5.0


class Link:
    """A running NPU process."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls) -> "Link":
        """Spawn (never fork: HailoRT's client owns threads and a socket) a new NPU process."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hailo_vision.npu",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer)

    def send(self, message: ToNpu, frames: Sequence[memoryview] = ()) -> None:
        """Queue a message, and the frames that belong to it; never waits.

        What is queued is bounded by one Generate: there is one generation at a time.
        """
        self._writer.write(messages.encode(message))
        for frame in frames:
            self._writer.write(frame)

    async def receive(self) -> FromNpu:
        """The next message.

        Raises:
            EOFError: the process closed its end, or died.
        """
        try:
            prefix = await self._reader.readexactly(messages.LENGTH_BYTES)
            body = await self._reader.readexactly(messages.body_length(prefix))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EOFError from error
        message: FromNpu = messages.decode(body, messages.from_npu)
        return message

    async def stop(self) -> None:
        """Hang up, so that the process releases the device and ends; kill it if it does not."""
        self._writer.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _GRACE_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        """End the process now, whatever it does."""
        self._writer.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def post_mortem(self) -> Problem:
        """Why the process is gone, once it has closed its end without a word."""
        await self.kill()
        code = self._process.returncode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return Problem(
            "npu_crashed",
            f"The NPU process ended {how}.",
            "It is restarted. If it comes back, see the journal and hailort.log.",
        )
