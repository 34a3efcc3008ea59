#!/usr/bin/python
"""Take Pis out of the gateway's rotation and wait until they have finished what they have, or put them back.

HAProxy is told by a socket on its host, for which no builtin module has a client. Nothing is done where no
gateway runs, for a Pi that it does not know yet, and for one that somebody has put into maintenance.
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.hailo_haproxy import ADMIN, BACKEND, command, servers, table

# What systemd runs when a lease is over.
SEND = (
    "import socket, sys; c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]);"
    " c.sendall(sys.argv[2].encode()); c.recv(1)"
)
# Seconds to wait for running requests.
PATIENCE = 120
# Seconds after which the gateway itself puts a drained Pi back, should nobody do it before, as when the Pi or
# the controller loses its power. More than a switch takes with its reboot.
LEASE = 1800
# Bits of srv_admin_state (HAProxy's management guide, "show servers state").
MAINTENANCE = 0x01
DRAINED = 0x08


def flags() -> dict[str, int]:
    """What was decided about each Pi, apart from how its checks go; empty where no gateway runs."""
    try:
        return {row["srv_name"]: int(row["srv_admin_state"]) for row in servers()}
    except OSError:
        return {}


def busy(nodes: list[str]) -> bool:
    """Whether one of the Pis works on a request."""
    rows = (row for row in table("show stat", ",") if row["pxname"] == BACKEND and row["svname"] in nodes)
    return any(int(row["scur"] or 0) > 0 for row in rows)


def lease(module: AnsibleModule, name: str, drain: bool) -> None:
    """Let systemd put a Pi back later, or no more."""
    unit = f"hailo-return-{name}"
    module.run_command(["systemctl", "stop", f"{unit}.timer"])
    if drain:
        timer = ["systemd-run", "--collect", f"--unit={unit}", f"--on-active={LEASE}"]
        send = ["/usr/bin/python3", "-I", "-c", SEND, ADMIN, f"set server {BACKEND}/{name} state ready\n"]
        module.run_command([*timer, *send], check_rc=True)


def main() -> None:
    """Entry point; the result has `changed_nodes`."""
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "ready"], "required": True},
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
        deadline = time.monotonic() + PATIENCE
        while drain and changed and time.monotonic() < deadline and busy(changed):
            time.sleep(0.5)
    module.exit_json(changed=bool(changed), changed_nodes=changed)


if __name__ == "__main__":
    main()
