"""The front process's end of the NPU process: start it, talk to it without waiting, end it."""

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from hailo_vision.npu import protocol
from hailo_vision.npu.protocol import FromNpu, Problem, ProtocolError, ToNpu

_GRACE_SECONDS = 5.0


class Link(asyncio.Protocol):
    """A running NPU process.

    Attributes:
        listener: gets each message at the moment it arrives, without a task of its own in between; while
            there is none, receive() does. It may raise ProtocolError.
        closed: done when nothing more will come; its exception is the ProtocolError that ended it, if any.
    """

    def __init__(self) -> None:
        self.listener: Callable[[FromNpu], None] | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._inbox: deque[FromNpu] = deque()
        self._arrived = asyncio.Event()
        self._process: Process
        self._transport: asyncio.Transport

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
                "hailo_vision.npu.worker",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
            )
        _, link = await asyncio.get_running_loop().create_connection(cls, sock=ours)
        link._process = process
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # in all but name, with uvloop

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while message := self._next():
                if self.listener:
                    self.listener(message)
                else:
                    self._inbox.append(message)
                    self._arrived.set()
        except ProtocolError as error:
            self._close(error)
            self._transport.abort()

    def _next(self) -> FromNpu | None:
        """Take the next whole message from the buffer."""
        start = protocol.LENGTH_BYTES
        if len(self._buffer) < start:
            return None
        end = start + protocol.body_length(bytes(self._buffer[:start]))
        if len(self._buffer) < end:
            return None
        message: FromNpu = protocol.decode(self._buffer[start:end], protocol.from_npu)
        del self._buffer[:end]
        return message

    def connection_lost(self, error: Exception | None) -> None:
        self._close(None)

    def _close(self, error: ProtocolError | None) -> None:
        if not self.closed.done():
            if error:
                self.closed.set_exception(error)
            else:
                self.closed.set_result(None)
        self._arrived.set()

    def send(self, message: ToNpu, frames: Sequence[memoryview] = ()) -> None:
        """Queue a message, and the frames that belong to it; never waits.

        What is queued is bounded by one Generate: there is one generation at a time.
        """
        self._transport.write(protocol.encode(message))
        for frame in frames:
            self._transport.write(frame)

    async def receive(self) -> FromNpu:
        """The next message, while there is no listener.

        Raises:
            EOFError: the process closed its end, or died.
            ProtocolError: it sent something that is no message.
        """
        while not self._inbox:
            if self.closed.done():
                self.closed.result()
                raise EOFError
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.popleft()

    async def stop(self) -> None:
        """Hang up, so that the process releases the device and ends; kill it if it does not."""
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _GRACE_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        """End the process now, whatever it does."""
        self._transport.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def post_mortem(self) -> Problem:
        """Why the process is gone, once it has closed its end without a word."""
        await self.kill()
        code = self._process.returncode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        if code == -signal.SIGKILL:
            how += ", as the kernel does when memory is short (see journalctl -k)"
        return Problem(
            "npu_crashed",
            f"The NPU process ended {how}.",
            "It is restarted. If it comes back, see the journal and hailort.log.",
        )
