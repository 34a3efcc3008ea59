#!/usr/bin/python
"""Tell who holds a port that a unit is to listen on."""

from __future__ import annotations

import ipaddress
import socket
import struct

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.hailo_holders import describe, holders, unit_of
from ..module_utils.hailo_text import read

DOCUMENTATION = r"""
module: hailo_port
short_description: Tell who holds a port that a unit is to listen on
description:
  - Looks for a process that listens on the port and is not the unit's or the systemd that holds it for the
    unit. Changes nothing.
options:
  host:
    description: Address that the unit is to listen on.
    type: str
    required: true
  port:
    description: TCP port that the unit is to listen on.
    type: int
    required: true
  units:
    description: Names of the units that may hold it, without their type.
    type: list
    elements: str
    default: [hailo-vision]
"""

EXAMPLES = r"""
- name: Look who listens there
  hailo_port:
    host: 0.0.0.0
    port: 11435
"""

RETURN = r"""
holder:
  description: The process in the way, and its unit; empty if the port can be had.
  returned: always
  type: str
"""

LISTENING = "0A"


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as /proc/net/tcp writes it: words of 32 bits in the processor's order."""
    words = struct.unpack(f"!{len(text) // 8}I", bytes.fromhex(text))
    return ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))


def sockets(table: str, host: str, port: int) -> set[str]:
    """Inodes of the sockets in a table of /proc/net that keep others from listening there."""
    wanted = {ipaddress.ip_address(found[4][0]) for found in socket.getaddrinfo(host, port)}
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        where, _, number = fields[1].partition(":")
        if fields[3] != LISTENING or int(number, 16) != port:
            continue
        taken = address(where)
        if taken.is_unspecified or any(one.is_unspecified or one == taken for one in wanted):
            found.add(fields[9])
    return found


def require_own(host: str) -> None:
    """Raise OSError if none of the host's addresses is meant: systemd would listen there all the same."""
    for family, kind, _, _, where in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            probe.bind(where)


def addresses(module: AnsibleModule) -> str:
    """The host's addresses, as a sentence has them."""
    _, out, _ = module.run_command(["ip", "-brief", "address"])
    return ", ".join(word.partition("/")[0] for line in out.splitlines() for word in line.split()[2:])


def socket_units(module: AnsibleModule, port: int) -> list[str]:
    """The socket units that systemd holds the port for."""
    _, out, _ = module.run_command(["systemctl", "list-sockets", "--no-legend", "--no-pager", "--full"])
    rows = [line.split() for line in out.splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0].endswith(f":{port}")]


def in_the_way(module: AnsibleModule, pids: list[str], port: int) -> str:
    """Who is in the way; empty if it is one of the units that may."""
    units = socket_units(module, port)
    allowed = module.params["units"]
    if any(f"{name}.socket" in units for name in allowed):
        return ""
    if any(unit_of(pid) == f"{name}.service" for name in allowed for pid in pids):
        return ""
    if units:
        return f"systemd for {units[0]}"
    # systemd keeps the sockets of others; the process that works with one comes after it.
    return describe(pids[-1])


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "units": {"type": "list", "elements": "str", "default": ["hailo-vision"]},
        },
        supports_check_mode=True,
    )
    host, port = module.params["host"], module.params["port"]
    try:
        require_own(host)
        tables = [read(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
        inodes = set().union(*(sockets(table, host, port) for table in tables))
    except OSError as error:
        own = addresses(module)
        module.fail_json(msg=f"This host can't listen on {host}: {error.strerror}. Its addresses are {own}.")
    pids = holders({f"socket:[{inode}]" for inode in inodes})
    module.exit_json(changed=False, holder=in_the_way(module, pids, port) if pids else "")


if __name__ == "__main__":
    main()
