"""What the service says to systemd and gets from it (sd_notify(3), sd_listen_fds(3))."""

import os
import socket
from collections.abc import Mapping

_FIRST_FD = 3


class Notifier:
    """Sends states to the service manager; does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog = environment.get("WATCHDOG_USEC", "")
        meant_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(watchdog) / 1e6 if watchdog.isdigit() and meant_for_us else None

    def ready(self) -> None:
        self._send("READY=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        self._send("STATUS=" + text.replace("\n", " "))

    def extend_start(self, seconds: float) -> None:
        """Ask for more time before the start counts as failed."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            try:
                connection.sendto(message.encode(), self._address)
            except OSError:
                # The manager went away; there is nobody to tell.
                return


def inherited_socket(environment: Mapping[str, str] = os.environ) -> socket.socket | None:
    """The listening socket of a socket unit, or None if the service was not started by one."""
    if environment.get("LISTEN_PID") != str(os.getpid()) or environment.get("LISTEN_FDS") != "1":
        return None
    os.set_inheritable(_FIRST_FD, False)
    return socket.socket(fileno=_FIRST_FD)
