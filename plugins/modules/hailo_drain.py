#!/usr/bin/python
"""Take Pis out of the gateway's rotation, or put them back.

HAProxy is told by a socket on its host, for which no builtin module has a client.
"""

from __future__ import annotations

import csv
import os
import socket
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hailo_drain
short_description: Take Pis out of the gateway's rotation, or put them back
description:
  - Runs on the gateway. A Pi that is drained gets no new request, and the module waits until it has
    finished the one that it works on.
  - The gateway itself puts a drained Pi back when the lease is over, should nobody do it before, as when the
    Pi or the controller loses its power.
  - Does nothing where no gateway runs, and for a Pi that the gateway does not know yet.
  - Leaves a Pi alone that somebody has put into maintenance.
options:
  nodes:
    description: Names of the Pis.
    type: list
    elements: str
    required: true
  state:
    description: Whether the Pis are in the rotation.
    type: str
    choices: [drained, ready]
    required: true
  timeout:
    description: Seconds to wait for running requests.
    type: int
    default: 120
  lease:
    description: Seconds after which a drained Pi is put back. More than a switch takes with its reboot.
    type: int
    default: 1800
"""

RETURN = r"""
changed_nodes:
  description: The Pis that were taken out or put back.
  returned: always
  type: list
  elements: str
"""

# The second is that of a gateway of the earlier kind, which the next run of its role replaces.
ADMINS = ("/run/hailo-vision-gateway/admin.sock", "/run/haproxy/admin.sock")
ADMIN = next(filter(os.path.exists, ADMINS), ADMINS[0])
BACKEND = "hailo_nodes"
# What systemd runs when a lease is over.
SEND = (
    "import socket, sys; c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]);"
    " c.sendall(sys.argv[2].encode()); c.recv(1)"
)
# Bits of srv_admin_state (HAProxy's management guide, "show servers state").
MAINTENANCE = 0x01
DRAINED = 0x08


def command(text: str) -> str:
    """Send one command to HAProxy and return its answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(ADMIN)
        connection.sendall(f"{text}\n".encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def flags() -> dict[str, int]:
    """What was decided about each Pi, apart from how its checks go; empty where no gateway runs."""
    if not os.path.exists(ADMIN):
        return {}
    try:
        lines = command(f"show servers state {BACKEND}").splitlines()
    except OSError:
        return {}
    head = next((line.lstrip("# ").split() for line in lines if line.startswith("# ")), [])
    rows = [dict(zip(head, line.split(), strict=True)) for line in lines if len(line.split()) == len(head)]
    return {row["srv_name"]: int(row["srv_admin_state"]) for row in rows if row["srv_name"] != "srv_name"}


def busy(nodes: list[str]) -> bool:
    """Whether one of the Pis works on a request."""
    rows = csv.DictReader(command("show stat").lstrip("# ").splitlines())
    members = [row for row in rows if row["pxname"] == BACKEND and row["svname"] in nodes]
    return any(int(row["scur"] or 0) > 0 for row in members)


def lease(module: AnsibleModule, name: str, drain: bool) -> None:
    """Let systemd put a Pi back later, or no more."""
    unit = f"hailo-return-{name}"
    module.run_command(["systemctl", "stop", f"{unit}.timer"])
    if drain:
        timer = ["systemd-run", "--collect", f"--unit={unit}", f"--on-active={module.params['lease']}"]
        send = ["/usr/bin/python3", "-I", "-c", SEND, ADMIN, f"set server {BACKEND}/{name} state ready\n"]
        module.run_command([*timer, *send], check_rc=True)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "ready"], "required": True},
            "timeout": {"type": "int", "default": 120},
            "lease": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    drain = module.params["state"] == "drained"
    known = flags()
    changed = [
        name
        for name in module.params["nodes"]
        if name in known and not known[name] & MAINTENANCE and bool(known[name] & DRAINED) != drain
    ]
    if not module.check_mode:
        for name in changed:
            lease(module, name, drain)
            command(f"set server {BACKEND}/{name} state {'drain' if drain else 'ready'}")
        deadline = time.monotonic() + module.params["timeout"]
        while drain and changed and time.monotonic() < deadline and busy(changed):
            time.sleep(0.5)
    module.exit_json(changed=bool(changed), changed_nodes=changed)


if __name__ == "__main__":
    main()
