"""Taking Pis out of the gateway's rotation: a stand-in for HAProxy's administrative socket."""

import pytest
from support.modules import load, shared

from .conftest import Run

drain = load("plugins/modules/hailo_drain.py", "hailo_drain")
haproxy = shared("hailo_haproxy")
HEAD = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n"


class Gateway:
    """Knows three Pis: one in rotation, one drained, one in maintenance."""

    def __init__(self) -> None:
        self.flags = {"pi01": 0, "pi02": 0x08, "pi03": 0x01}
        self.sessions = [1, 1, 0]
        self.set: list[str] = []
        self.ran: list[list[str]] = []

    def answer(self, text: str) -> str:
        if text.startswith("show servers state"):
            rows = [f"3 hailo_nodes 1 {name} 192.0.2.1 2 {bits}" for name, bits in self.flags.items()]
            return HEAD + "\n".join(rows) + "\n\n"
        if text == "show stat":
            rows = ["# pxname,svname,scur", "hailo,FRONTEND,9", f"hailo_nodes,pi01,{self.sessions.pop(0)}"]
            return "\n".join([*rows, "hailo_nodes,pi03,5"]) + "\n\n"
        self.set.append(text)
        return "\n"

    def run(self, module: object, command: list[str], **options: object) -> tuple[int, str, str]:
        del module, options
        self.ran.append(command)
        return 0, "", ""


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    found = Gateway()
    monkeypatch.setattr(haproxy, "command", found.answer)
    monkeypatch.setattr(drain, "command", found.answer)
    monkeypatch.setattr(
        drain.AnsibleModule, "run_command", lambda *args, **options: found.run(*args, **options)
    )
    monkeypatch.setattr(drain.time, "sleep", lambda seconds: None)
    return found


def test_a_pi_is_taken_out_and_its_request_waited_for(run: Run, gateway: Gateway) -> None:
    result = run(drain, nodes=["pi01"], state="drained")
    assert result["changed_nodes"] == ["pi01"]
    assert gateway.set == ["set server hailo_nodes/pi01 state drain"]
    assert gateway.sessions == []
    assert "--on-active=1800" in gateway.ran[1]
    assert gateway.ran[1][-1] == "set server hailo_nodes/pi01 state ready\n"


def test_only_who_is_out_is_put_back(run: Run, gateway: Gateway) -> None:
    result = run(drain, nodes=["pi01", "pi02", "pi03", "pi04"], state="ready")
    assert result["changed_nodes"] == ["pi02"]
    assert gateway.set == ["set server hailo_nodes/pi02 state ready"]
    assert gateway.ran == [["systemctl", "stop", "hailo-return-pi02.timer"]]


def test_check_mode_changes_nothing(run: Run, gateway: Gateway) -> None:
    assert run(drain, check=True, nodes=["pi01"], state="drained")["changed"] is True
    assert gateway.set == []


def test_a_gateway_that_does_not_know_its_pis_yet_has_nothing_to_do(run: Run, gateway: Gateway) -> None:
    gateway.flags = {}
    assert run(drain, nodes=["pi01"], state="drained")["changed"] is False


def test_without_a_gateway_there_is_nothing_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy, "ADMIN", "/nonexistent/admin.sock")
    assert run(drain, nodes=["pi01"], state="drained")["changed"] is False
