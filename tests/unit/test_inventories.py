"""The example inventories: what an operator copies is what the roles take."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from support.variables import options

TOP = Path(__file__).resolve().parents[2]
EXAMPLES = TOP / "inventory" / "example"


def call(program: str, *arguments: str) -> str:
    """Run one of Ansible's programs to its end."""
    command = [str(Path(sys.executable).parent / program), *arguments]
    result = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARNING" not in result.stderr
    return result.stdout


def inventory(name: str) -> dict[str, Any]:
    """Groups and variables as Ansible reads them."""
    return dict(json.loads(call("ansible-inventory", "-i", str(EXAMPLES / name), "--list")))


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir()))
def test_an_example_is_what_the_roles_take(name: str) -> None:
    known = options()
    hosts = inventory(name)["_meta"]["hostvars"]
    assert hosts
    for host, variables in hosts.items():
        assert variables["ansible_host"].startswith("192.0.2."), f"{host}: no address of documentation"
        ours = {key: value for key, value in variables.items() if key.startswith("hailo_")}
        assert set(ours) <= {*known, "hailo_serial"}
        specified = {key: known[key] for key in ours if key in known}
        typed = ArgumentSpecValidator(specified).validate({key: ours[key] for key in specified})
        assert typed.error_messages == []


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir()))
def test_an_example_can_be_deployed_to(name: str) -> None:
    listing = call("ansible-playbook", "-i", str(EXAMPLES / name), "playbooks/site.yml", "--list-hosts")
    for host in inventory(name)["_meta"]["hostvars"]:
        assert f"      {host}\n" in listing


def test_the_examples_show_what_they_say() -> None:
    assert len(inventory("one")["_meta"]["hostvars"]) == 1
    together = inventory("gateway")
    assert set(together["hailo_gateway"]["hosts"]) < set(together["hailo_nodes"]["hosts"])
    site = inventory("site")["_meta"]["hostvars"]
    tokens = {host: variables.get("hailo_vision_max_tokens") for host, variables in site.items()}
    assert tokens == {
        "pi-door-north": 40, "pi-door-south": 40, "pi-lab-1": 200, "pi-lab-2": 200, "lab-gateway": None,
    }  # fmt: skip
    assert [host for host, variables in site.items() if "hailo_vision_cpu_quota" in variables] == ["pi-lab-2"]
    apart = inventory("airgapped")["_meta"]["hostvars"]["pi-vault-1"]
    assert not any("://" in str(value) for value in apart.values())
