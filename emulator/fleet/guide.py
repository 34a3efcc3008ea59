"""How a fleet is, and what a person can do with it."""

import json
import os
import shlex
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from emulator.fleet.host import Host, leader, ssh_command
from emulator.fleet.layout import REPOSITORY, Layout

# The keys and the processes are root's: who came by sudo needs it again.
_SUDO = "sudo " if "SUDO_USER" in os.environ else ""
_NEXT = f"""
Ask again:   make ask PHOTO=tests/data/coffee.jpg QUESTION="What is in the cup?"
How it is:   {_SUDO}make status
Take down:   {_SUDO}make down"""


def status(hosts: list[Host]) -> str:
    """One line for each host, with its service's state, and what to do next."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        services = pool.map(_service, hosts)
    lines = []
    for host, service in zip(hosts, services, strict=True):
        running = leader(host)
        machine = f"running (pid {running.pid})" if running else "off: `make up` boots it"
        lines.append(f"{host.name}  {host.url}  service {service}, host {machine}")
    return "\n".join([*lines, _NEXT])


def _service(host: Host) -> str:
    """What the service says of itself on /health."""
    try:
        with urllib.request.urlopen(f"{host.url}/health", timeout=3) as response:
            return str(json.load(response)["state"])
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return "does not answer"


def text(layout: Layout, hosts: list[Host]) -> str:
    """What to do with a fleet that has been deployed to, for the terminal."""
    playbook = f"{_SUDO}.build/venv/bin/ansible-playbook -i {layout.inventory.relative_to(REPOSITORY)}"
    url = hosts[0].url
    body = '{"model": "qwen2-vl-2b-instruct", "messages": [{"role": "user", "content": "Who are you?"}]}'
    question = 'qwen2-vl-2b-instruct "What is in ./tests/data/chelsea.jpg"'
    # The ollama CLI takes a file for a picture only if its path begins with / or ./ (its cmd/interactive.go).
    return "\n".join(
        [
            "",
            "Emulated Pis with the service; each address is a page for a browser:",
            *(f"  {host.name}  {host.url}" for host in hosts),
            "",
            f"curl:        curl -s {url}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'",
            f"ollama:      OLLAMA_HOST={url} ollama run {question}",
            f"Log in:      {_SUDO}" + shlex.join(ssh_command(hosts[0])),
            f"Deploy:      {playbook} playbooks/site.yml",
            f"Verify:      {playbook} playbooks/verify.yml",
            _NEXT.lstrip("\n"),
        ]
    )
