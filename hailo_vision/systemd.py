"""Talks to systemd: readiness, status and watchdog (sd_notify(3)), inherited sockets (sd_listen_fds(3))."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Mapping

from hailo_vision.npu.supervisor import State, Supervisor

log = logging.getLogger(__name__)

_FIRST_FD = 3
_START_STEP_SECONDS = 30.0


class Notifier:
    """Sends messages to the service manager; does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog = environment.get("WATCHDOG_USEC", "")
        meant_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(watchdog) / 1e6 if watchdog.isdigit() and meant_for_us else None

    def send(self, message: str) -> None:
        """One assignment, such as READY=1; its value becomes one line."""
        if not self._address:
            return
        # The manager may be gone or not read, or descriptors may lack: the service does not wait for it.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection,
        ):
            connection.setblocking(False)
            connection.sendto(message.replace("\n", " ").encode(), self._address)


def inherited_sockets(environment: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """The listening sockets of a socket unit; none if the service was not started by one."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return []
    descriptors = range(_FIRST_FD, _FIRST_FD + int(count))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


class Herald:
    """Reports every change of the supervisor's state, and feeds the watchdog."""

    def __init__(self, supervisor: Supervisor, notifier: Notifier) -> None:
        self._supervisor = supervisor
        self._notifier = notifier
        self._state: State | None = None
        self._status = ""
        self._announced = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        supervisor.listeners.append(self._tell)

    def start(self) -> None:
        self._task = asyncio.create_task(self._reassure(), name="systemd")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    def stopping(self) -> None:
        self._stopping = True
        self._notifier.send("STOPPING=1")

    def _tell(self) -> None:
        supervisor = self._supervisor
        # A running generation is no news: the model stays ready.
        state = State.READY if supervisor.state is State.GENERATING else supervisor.state
        problem = supervisor.problem
        detail: object = f"{problem.message} {problem.cure}" if problem else None
        if state is State.FETCHING:
            detail = detail or supervisor.model_file.progress
        status = f"{state}: {detail}" if detail else str(state)
        if status != self._status:
            self._status = status
            self._notifier.send(f"STATUS={status}")
        if state is self._state:
            return
        self._state = state
        log.info("NPU %s", state)
        if state in (State.READY, State.FAILED) and not self._announced:
            # A model that can't be loaded is not cured by systemd's restarts; the service stays up and
            # says why.
            self._announced = True
            self._notifier.send("READY=1")
            if state is State.READY:
                log.info("Service ready")

    async def _reassure(self) -> None:
        """Ask for more time until the start is over, and feed the watchdog while the event loop runs and the
        supervisor watches the NPU."""
        watchdog = self._notifier.watchdog_seconds
        while True:
            if not self._announced:
                self._notifier.send(f"EXTEND_TIMEOUT_USEC={int(_START_STEP_SECONDS * 2e6)}")
            if watchdog and (self._supervisor.supervised or self._stopping):
                self._notifier.send("WATCHDOG=1")
            await asyncio.sleep(min(_START_STEP_SECONDS, watchdog / 3) if watchdog else _START_STEP_SECONDS)
