"""The Ansible inventory of the fleet: the same files that an operator writes for real Pis."""

import json

from emulator.fleet.host import Host
from emulator.fleet.layout import Layout


def write(layout: Layout, hosts: list[Host], variables: dict[str, object]) -> None:
    """Write hosts.yml and the group's variables.

    Args:
        layout: the fleet.
        hosts: its hosts.
        variables: role variables that a site with mirrors of its own would set, too.
    """
    group_vars = layout.inventory / "group_vars"
    group_vars.mkdir(parents=True, exist_ok=True)
    lines = ["# Written by emulator.fleet; goes away with the fleet.", "hailo_nodes:", "  hosts:"]
    for host in hosts:
        lines += [f"    {host.name}:", f"      ansible_host: {host.address}"]
    lines += [
        "  vars:",
        "    ansible_user: pi",
        f"    ansible_ssh_private_key_file: {layout.private_key}",
        f"    ansible_ssh_common_args: -o IdentitiesOnly=yes -o UserKnownHostsFile={layout.known_hosts}",
    ]
    (layout.inventory / "hosts.yml").write_text("\n".join(lines) + "\n")
    settings = [
        f"{name}: {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in variables.items()
    ] or ["{}"]
    (group_vars / "hailo_nodes.yml").write_text("\n".join(["---", *settings]) + "\n")
