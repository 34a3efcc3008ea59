"""What a person can do with a fleet that is up."""

import shlex

from emulator.fleet.host import Host, ssh_command
from emulator.fleet.layout import REPOSITORY, Layout

SERVICE_PORT = 11435


def urls(hosts: list[Host]) -> list[str]:
    """The service's address on each host."""
    return [f"http://{host.address}:{SERVICE_PORT}" for host in hosts]


def text(layout: Layout, hosts: list[Host]) -> str:
    """A few lines for the terminal."""
    inventory = layout.inventory.relative_to(REPOSITORY)
    curl = (
        f"curl -s {urls(hosts)[0]}/v1/chat/completions -H 'Content-Type: application/json' -d "
        """'{"model": "qwen2-vl-2b-instruct", "messages": [{"role": "user", "content": "Who are you?"}]}'"""
    )
    return "\n".join(
        [
            "",
            "Emulated Pis with the service:",
            *(f"  {host.name}  {url}" for host, url in zip(hosts, urls(hosts), strict=True)),
            "",
            "Log in:      " + shlex.join(ssh_command(hosts[0])),
            "Ask:         " + curl,
            f"Deploy:      .build/venv/bin/ansible-playbook -i {inventory} playbooks/site.yml",
            f"Verify:      .build/venv/bin/ansible-playbook -i {inventory} playbooks/verify.yml",
            "Take down:   make down",
        ]
    )
