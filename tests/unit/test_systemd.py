"""Talking to the service manager."""

import os
import resource
import socket
from pathlib import Path

import pytest

from hailo_vision.systemd import Notifier, inherited_sockets


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(5)
    return listening


def test_states_are_sent(manager: socket.socket) -> None:
    with manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "3000000"})
        notifier.send("READY=1")
        notifier.send("STATUS=two\nlines")
        assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"STATUS=two lines"
        assert notifier.watchdog_seconds == 3.0


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).send("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).send("READY=1")
    assert Notifier({}).watchdog_seconds is None


def test_who_has_no_descriptor_left_says_nothing(manager: socket.socket) -> None:
    """The task that feeds the watchdog must outlive that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            notifier.send("WATCHDOG=1")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        notifier.send("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"


def test_a_watchdog_for_another_process_is_not_ours() -> None:
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_seconds is None


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())}],
)
def test_no_socket_is_taken_that_was_not_given(environment: dict[str, str]) -> None:
    assert inherited_sockets(environment) == []
