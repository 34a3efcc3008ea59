"""The look-up of the gateway's Pis by name: a stand-in for HAProxy and for what names stand for."""

import pytest
from support.modules import shared

names = shared("hailo_haproxy")
STATE = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_fqdn
3 hailo_nodes 1 pi01 192.0.2.1 2 0 pi-kitchen.local
3 hailo_nodes 2 pi02 192.0.2.2 2 0 -
3 hailo_nodes 3 pi03 192.0.2.1 2 0 pi-door.local

"""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What HAProxy is told, when it has the addresses above."""
    told: list[str] = []

    def command(text: str) -> str:
        if text.startswith("show"):
            return STATE
        told.append(text)
        return ""

    monkeypatch.setattr(names, "command", command)
    return told


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"pi-kitchen.local": ["192.0.2.1"], "pi-door.local": []}, []),
        ({"pi-kitchen.local": ["192.0.2.7", "192.0.2.8"], "pi-door.local": ["192.0.2.1", "192.0.2.9"]},
         ["set server hailo_nodes/pi01 addr 192.0.2.7"]),
    ],
)  # fmt: skip
def test_a_pi_gets_the_address_that_its_name_stands_for(
    monkeypatch: pytest.MonkeyPatch, said: list[str], known: dict[str, list[str]], expected: list[str]
) -> None:
    monkeypatch.setattr(names, "addresses", lambda name: known[name])
    names.refresh()
    assert said == expected


def test_what_nobody_knows_has_no_address() -> None:
    assert names.addresses("nobody-knows-it.invalid") == []
    assert names.addresses("localhost") == ["127.0.0.1"]
