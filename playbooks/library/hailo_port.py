#!/usr/bin/python
"""Tell who holds the port that the service is to listen on."""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import socket
import struct

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hailo_text import read

DOCUMENTATION = r"""
module: hailo_port
short_description: Tell who holds the port that the service is to listen on
description:
  - Looks for a process that listens on the port and is not the service or the systemd that holds it for the
    service. Changes nothing.
options:
  host:
    description: Address that the service is to listen on.
    type: str
    required: true
  port:
    description: TCP port that the service is to listen on.
    type: int
    required: true
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
SOCKET_UNIT = "hailo-vision.socket"
SERVICE_UNIT = "hailo-vision.service"


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


def holders(inodes: set[str]) -> list[str]:
    """Processes that have one of the sockets open."""
    links = {f"socket:[{inode}]" for inode in inodes}
    found = set()
    for path in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(path) in links:
                found.add(path.split("/")[2])
        except OSError:
            continue
    return sorted(found, key=int)


def unit_of(pid: str) -> str:
    """The systemd unit that a process belongs to, empty if none can be told."""
    found = re.search(r"/([^/\n]+\.(?:service|scope))(?:/|$)", read(f"/proc/{pid}/cgroup"), re.MULTILINE)
    return found[1] if found else ""


def socket_units(module: AnsibleModule, port: int) -> list[str]:
    """The socket units that systemd holds the port for."""
    _, out, _ = module.run_command(["systemctl", "list-sockets", "--no-legend", "--no-pager", "--full"])
    rows = [line.split() for line in out.splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0].endswith(f":{port}")]


def describe(module: AnsibleModule, pids: list[str], port: int) -> str:
    """Who is in the way; empty if it is the service itself."""
    units = socket_units(module, port)
    if SOCKET_UNIT in units or any(unit_of(pid) == SERVICE_UNIT for pid in pids):
        return ""
    if units:
        return f"systemd for {units[0]}"
    # systemd keeps the sockets of others; the process that works with one comes after it.
    pid = pids[-1]
    unit = unit_of(pid)
    return f"{read(f'/proc/{pid}/comm').strip()} (process {pid}{f' of {unit}' if unit else ''})"


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    host, port = module.params["host"], module.params["port"]
    try:
        tables = [read(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
        inodes = set().union(*(sockets(table, host, port) for table in tables))
    except OSError as error:
        module.fail_json(msg=f"The address {host} can't be used: {error.strerror}.")
    pids = holders(inodes)
    module.exit_json(changed=False, holder=describe(module, pids, port) if pids else "")


if __name__ == "__main__":
    main()
