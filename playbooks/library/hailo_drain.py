#!/usr/bin/python
"""Take a Pi out of the gateway's rotation, or put it back."""

from __future__ import annotations

import csv
import os
import socket
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hailo_drain
short_description: Take a Pi out of the gateway's rotation, or put it back
description:
  - Runs on the gateway. A Pi that is drained gets no new request, and the module waits until it has
    finished the one that it works on.
  - Does nothing where no gateway runs, and for a Pi that the gateway does not know yet.
options:
  node:
    description: Name of the Pi.
    type: str
    required: true
  state:
    description: Whether the Pi is in the rotation.
    type: str
    choices: [drained, ready]
    required: true
  timeout:
    description: Seconds to wait for the running request.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Give the Pi no more requests
  hailo_drain:
    node: pi-kitchen
    state: drained
"""

RETURN = r""" # """

ADMIN = "/run/haproxy/admin.sock"
BACKEND = "hailo_nodes"


def command(text: str) -> str:
    """Send one command to HAProxy and return its answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(ADMIN)
        connection.sendall(f"{text}\n".encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def find(node: str) -> dict[str, str] | None:
    """HAProxy's row of a Pi; None if it knows none of this name."""
    rows = csv.DictReader(command("show stat").lstrip("# ").splitlines())
    return next((row for row in rows if row["pxname"] == BACKEND and row["svname"] == node), None)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "ready"], "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    node, drain = module.params["node"], module.params["state"] == "drained"
    try:
        row = find(node) if os.path.exists(ADMIN) else None
    except OSError:
        row = None
    if row is None or (row["status"].startswith("DRAIN")) == drain:
        module.exit_json(changed=False)
    if not module.check_mode:
        command(f"set server {BACKEND}/{node} state {'drain' if drain else 'ready'}")
        deadline = time.monotonic() + module.params["timeout"]
        while drain and time.monotonic() < deadline and int((find(node) or {}).get("scur") or 0) > 0:
            time.sleep(0.5)
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
