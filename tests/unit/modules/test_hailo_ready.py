"""Waiting for the service, and telling why it is not ready."""

import os
import socket
import threading
from typing import Any

import pytest
from support.modules import load

from .conftest import Run

ready = load("plugins/modules/hailo_ready.py", "hailo_ready")
ACTIVE = {"ActiveState": "active", "SubState": "running", "Result": "success", "StatusText": "loading"}
PROBLEM = {"code": "device_absent", "message": "There is no device.", "cure": "Seat the HAT."}


class Host:
    """What the service and systemd answer, one after the other; the last answer stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.health: list[dict[str, Any]] = [{}]
        self.unit = ACTIVE
        self.seconds = 0.0
        monkeypatch.setattr(
            ready, "ask", lambda url: self.health.pop(0) if self.health[1:] else self.health[0]
        )
        monkeypatch.setattr(ready, "unit", lambda module: self.unit)
        monkeypatch.setattr(ready.time, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(ready.time, "sleep", self.sleep)
        monkeypatch.setattr(
            ready.AnsibleModule, "run_command", lambda module, command: (0, "the journal's last line\n", "")
        )

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def wait(run: Run) -> dict[str, Any]:
    return run(ready, url="http://127.0.0.1:1", timeout=60)


@pytest.mark.parametrize("state", ["ready", "generating", "unloaded"])
def test_a_service_that_loads_is_waited_for(run: Run, host: Host, state: str) -> None:
    host.health = [{}, {"state": "starting"}, {"state": "loading"}, {"state": "restarting"}, {"state": state}]
    result = wait(run)
    assert (result["changed"], result["health"], host.seconds) == (False, {"state": state}, 2.0)


def test_a_failed_service_is_quoted_at_once(run: Run, host: Host) -> None:
    host.health = [{"state": "failed", "problem": PROBLEM}]
    message = wait(run)["msg"]
    assert message.startswith("The service says: There is no device. Seat the HAT. systemd says: active")
    assert message.endswith("the journal's last line")
    assert host.seconds == 0


def test_a_service_that_systemd_gave_up_is_not_waited_for(run: Run, host: Host) -> None:
    host.unit = {**ACTIVE, "ActiveState": "failed", "Result": "exit-code", "StatusText": ""}
    assert "Nothing answers at http://127.0.0.1:1. systemd says: failed" in wait(run)["msg"]
    assert host.seconds == 0


def test_a_service_that_nobody_starts_is_not_waited_for(run: Run, host: Host) -> None:
    host.unit = {**ACTIVE, "ActiveState": "inactive", "SubState": "dead", "StatusText": ""}
    assert "Nothing answers at http://127.0.0.1:1. The service is not started: site.yml" in wait(run)["msg"]
    assert host.seconds < 5
    host.seconds, host.unit["Job"] = 0, "4711"
    assert "systemd says: inactive" in wait(run)["msg"]
    assert host.seconds >= 60


def test_a_service_that_listens_elsewhere_is_not_waited_for(run: Run, host: Host) -> None:
    assert "Nothing answers at http://127.0.0.1:1. The service listens somewhere else" in wait(run)["msg"]
    assert host.seconds < 5


def test_a_service_that_is_too_busy_to_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(ready.http.client.HTTPConnection, "connect", wait)
    assert ready.ask("http://127.0.0.1:22") is None


@pytest.mark.parametrize(
    "said",
    [b"SSH-2.0-OpenSSH_10.0\r\n", b"HTTP/1.0 200 OK\r\n\r\n[1]", b'HTTP/1.0 404 No\r\n\r\n{"error": "x"}'],
)
def test_who_speaks_otherwise_is_not_the_service(said: bytes) -> None:
    assert ask(said) == {}


def test_patience_ends(run: Run, host: Host) -> None:
    host.health = [{"state": "loading"}]
    assert (
        'says that it is loading. systemd says: active (running), result success, "loading"'
        in wait(run)["msg"]
    )
    assert 60 <= host.seconds < 62


def test_it_goes_by_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(b'HTTP/1.0 200 OK\r\n\r\n{"state": "ready"}') == {"state": "ready"}


def ask(said: bytes) -> dict[str, Any]:
    """What the module makes of a server that says this once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server, said))
        thread.start()
        found: dict[str, Any] = ready.ask(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    return found


def answer(server: socket.socket, said: bytes) -> None:
    """Answer one request."""
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(said)


@pytest.mark.parametrize("code", ["device_busy", "npu_memory"])
def test_who_holds_the_device_is_named_at_once(
    run: Run, host: Host, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    host.health = [{"state": "restarting", "problem": PROBLEM | {"code": code}}]
    monkeypatch.setattr(ready, "matching", lambda *patterns: [os.devnull])
    with open(os.devnull) as held:
        message = wait(run)["msg"]
    assert held.closed
    assert f"(process {os.getpid()}" in message.partition("The service says")[0]
    assert host.seconds == 0


def test_a_device_that_is_busy_with_the_service_itself_is_waited_for(
    run: Run, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "holders", lambda nodes: ["1"])
    monkeypatch.setattr(ready, "unit_of", lambda pid: ready.UNIT)
    host.health = [{"state": "restarting", "problem": PROBLEM | {"code": "device_busy"}}, {"state": "ready"}]
    assert "failed" not in wait(run)


def test_what_no_waiting_mends_ends_it(run: Run, host: Host) -> None:
    host.health = [{"state": "restarting", "problem": PROBLEM | {"code": "device_permission"}}]
    assert wait(run)["msg"].startswith("Waiting does not help. The service says: ")
    assert host.seconds == 0
