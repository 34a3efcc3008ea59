"""Who is told to hold a port."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.modules import load, shared

from .conftest import Run

port = load("plugins/modules/hailo_port.py", "hailo_port")
Units = Callable[[str], None]


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> Units:
    """Says what `systemctl list-sockets` prints."""

    run_command = port.AnsibleModule.run_command

    def say(text: str) -> None:
        def answer(module: Any, command: list[str], **options: Any) -> tuple[int, str, str]:
            return (0, text, "") if command[0] == "systemctl" else run_command(module, command, **options)

        monkeypatch.setattr(port.AnsibleModule, "run_command", answer)

    say("")
    return say


def holder(run: Run, host: str, number: int) -> str:
    """Who holds that port, asked together with one that nobody has."""
    result: dict[str, Any] = run(port, listens=[["127.0.0.1", 1], [host, number]])
    assert result["changed"] is False
    assert [held["port"] for held in result["held"]] in ([], [number])
    return str(result["held"][0]["holder"]) if result["held"] else ""


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize(
    ("listens", "wanted", "in_the_way"),
    [
        ("127.0.0.1", "0.0.0.0", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_a_listener_is_in_the_way_if_the_addresses_meet(
    run: Run, listens: str, wanted: str, in_the_way: bool
) -> None:
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    with socket.create_server((listens, 0), family=family) as listener:
        assert bool(holder(run, wanted, listener.getsockname()[1])) == in_the_way


@pytest.mark.usefixtures("units")
def test_the_process_in_the_way_is_named(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = holder(run, "0.0.0.0", listener.getsockname()[1])
    assert told.startswith(Path("/proc/self/comm").read_text().strip())
    assert "process " in told


@pytest.mark.usefixtures("units")
def test_a_free_port_has_no_holder(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
    assert holder(run, "0.0.0.0", number) == ""


def test_systemd_that_holds_it_for_the_service_is_not_in_the_way(run: Run, units: Units) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        units(f"0.0.0.0:{number} hailo-vision.socket hailo-vision.service\n")
        assert holder(run, "0.0.0.0", number) == ""
        units(f"[::]:{number} other.socket other.service\n")
        assert holder(run, "0.0.0.0", number) == "systemd for other.socket"


def test_a_child_process_of_a_unit_is_told_with_its_unit(
    run: Run, units: Units, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (port, shared("hailo_look")):
        monkeypatch.setattr(module, "unit_of", lambda pid: "nginx.service")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert holder(run, "0.0.0.0", listener.getsockname()[1]).endswith(" of nginx.service)")


def test_an_address_that_the_host_lacks_is_refused(run: Run) -> None:
    said = run(port, listens=[["192.0.2.77", 11435]])["msg"]
    assert said.startswith("This host can't listen on 192.0.2.77: ")
    assert "127.0.0.1" in said
