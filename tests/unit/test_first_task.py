"""What a playbook's first tasks refuse, before any host is connected to."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.modules import TOP

INVENTORY = """
hailo_nodes:
  hosts:
    pi01: {hailo_vision_port: [11435], hailo_model_path: model.hef, hailo_vision_prot: 1}
    pi02: {hailo_vision_cpu_quota: "{{ ansible_facts.hailo.cores }}"}
  vars: {ansible_host: 192.0.2.1}
"""
PLAYBOOKS = ("bundle", "logs", "qualify", "rollback", "site", "uninstall", "verify")


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    path.write_text(INVENTORY)
    return path


def refusal(playbook: str, inventory: Path, *arguments: str, **environment: str) -> str:
    """What a playbook says that fails and has tried to reach nobody."""
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, "-i", str(inventory), f"playbooks/{playbook}.yml"]
    result = subprocess.run(
        [*command, *arguments], cwd=TOP, env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2, result.stdout + result.stderr
    assert "unreachable=1" not in result.stdout
    return result.stdout


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_setting_of_the_wrong_type(playbook: str, inventory: Path) -> None:
    """From the inventory and from an argument; one that needs a look at the host is not judged yet."""
    said = refusal(playbook, inventory, "-e", "hailo_driver_purge_packages=maybe", "-e", "purge_data=2")
    needed = "true or false is needed."
    for sentence in (
        f'pi01, pi02: purge_data is the text "2", and {needed}',
        f'pi01, pi02: hailo_driver_purge_packages is the text "maybe", and {needed}',
        "pi01: hailo_vision_port is a list, and a whole number is needed.",
        'pi01: hailo_model_path is the text "model.hef", and a whole path, such as /srv/hailo, is needed.',
        "pi01: hailo_vision_prot is no setting of this role. Is hailo_vision_port meant?",
    ):
        assert json.dumps(sentence)[1:-1] in said, said
    assert "hailo_vision_cpu_quota" not in said


def test_a_host_outside_of_the_limit_is_not_judged(inventory: Path) -> None:
    said = refusal("site", inventory, "--limit", "pi02", "-e", "hailo_pause=long")
    assert 'pi02: hailo_pause is the text \\"long\\", and a whole number is needed.' in said
    assert "hailo_vision_port" not in said


def test_a_strategy_by_which_hosts_do_not_wait_for_each_other(inventory: Path) -> None:
    assert "Ansible's strategy is free" in refusal("site", inventory, ANSIBLE_STRATEGY="free")


def test_what_the_inventory_says_of_sudo_is_for_the_pis(tmp_path: Path) -> None:
    """On this computer nobody else need be able to read a file, though all hosts have ansible_become."""
    everybody = {"ansible_become": True, "ansible_become_user": "nobody"}
    inventory, archive = tmp_path / "hosts.json", tmp_path / "apps.tar"
    inventory.write_text(json.dumps({"all": {"vars": everybody}}))
    archive.write_text("not for others")
    named = {"hailo_apps_archive": str(archive), "hailo_apps_archive_sha256": "0" * 64}
    arguments = ["--check", "-e", "hailo_bundle_dest=/nowhere", "-e", json.dumps(named)]
    said = refusal("bundle", inventory, *arguments)
    assert f"has the SHA-256 {hashlib.sha256(archive.read_bytes()).hexdigest()}" in said


def test_a_gateway_with_wrong_settings_keeps_the_pis_from_being_deployed_to(tmp_path: Path) -> None:
    gateway = {"hosts": {"pi01": {"hailo_gateway_port": 0}}}
    nodes = {"hosts": {"pi01": {}, "küche": {}}, "vars": {"ansible_host": "192.0.2.1"}}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"hailo_nodes": nodes, "hailo_gateway": gateway}))
    said = refusal("site", inventory)
    assert "hailo_gateway_port is 0" in said
    assert "küche of hailo_gateway_members can't be known to HAProxy by that name." in said
    assert "PLAY [Prepare all hosts]" not in said
