"""A Pi that is switched off neither holds the others up nor hides among them."""

import time
from pathlib import Path

import pytest
from support.fleets import SCENARIO

from tests.deploy.conftest import Pi, playbook


@pytest.fixture
def attic(tmp_path: Path) -> Path:
    """An inventory with one more host, at an address where nothing answers."""
    inventory = tmp_path / "attic.yml"
    address = SCENARIO.subnet[200]
    inventory.write_text(f"hailo_nodes: {{hosts: {{pi-attic: {{ansible_host: {address}}}}}}}\n")
    return inventory


def test_the_others_are_reconfigured_while_one_is_off(pis: list[Pi], attic: Path) -> None:
    begun = time.monotonic()
    result = playbook("site.yml", "-i", str(attic), "--extra-vars", "hailo_vision_memory_max=2G")
    assert result.returncode != 0
    assert "pi-attic" in result.stdout
    assert "unreachable=1" in result.stdout
    assert time.monotonic() - begun < 120
    for pi in pis:
        pi.wait_ready(5)
        assert pi.property("MemoryMax", "hailo-vision.slice") == str(2 << 30)
    assert playbook("site.yml", "--tags", "hailo_vision").returncode == 0


def test_verify_reports_it_beside_the_others_and_waits_for_none_that_listens_elsewhere(
    pis: list[Pi], attic: Path
) -> None:
    elsewhere = attic.with_name("elsewhere.yml")
    elsewhere.write_text(f"hailo_nodes: {{hosts: {{{pis[1].name}: {{hailo_vision_port: 11499}}}}}}\n")
    begun = time.monotonic()
    result = playbook("verify.yml", "-i", str(attic), "-i", str(elsewhere))
    assert result.returncode != 0
    assert time.monotonic() - begun < 120
    table = result.stdout[result.stdout.index("Show what was found") :]
    assert all(name in table for name in ("pi-attic", *(pi.name for pi in pis)))
    assert "Nothing answers at http://127.0.0.1:11499. The service listens somewhere else" in table
