#!/usr/bin/python
"""Tell who holds the ports that a unit is to listen on, but for the unit itself and systemd for it.

M(ansible.builtin.wait_for) tells whether a port is taken; no builtin module tells by whom.
"""

import ipaddress
import re
import socket

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.hailo_look import describe, unit_of


def listeners(table: str, host: str, port: int) -> list[str]:
    """Processes that keep others from listening there, in the order of their numbers, by what ss prints."""
    wanted = {ipaddress.ip_address(found[4][0]) for found in socket.getaddrinfo(host, port)}
    pids: set[str] = set()
    for line in table.splitlines():
        where = line.split()[3].rpartition(":")[0].strip("[]").partition("%")[0]
        taken = ipaddress.ip_address("::" if where == "*" else where)
        if taken.is_unspecified or any(one.is_unspecified or one == taken for one in wanted):
            pids.update(re.findall(r"\bpid=(\d+)", line))
    return sorted(pids, key=int)


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
    allowed = {f"{name}.{kind}" for name in module.params["units"] for kind in ("socket", "service")}
    if allowed & {*units, *map(unit_of, pids)}:
        return ""
    # systemd keeps the sockets of others; the process that works with one comes after it.
    return f"systemd for {units[0]}" if units else describe(pids[-1])


def main() -> None:
    """Entry point; the result has `held`: each `port` that can't be had, and its `holder` with its unit."""
    module = AnsibleModule(
        argument_spec={
            # Pairs of address and TCP port.
            "listens": {"type": "list", "elements": "list", "required": True},
            # Names of the units that may hold it, without their type.
            "units": {"type": "list", "elements": "str", "default": ["hailo-vision"]},
        },
        supports_check_mode=True,
    )
    held = []
    for host, port in module.params["listens"]:
        try:
            require_own(host)
            _, table, _ = module.run_command(["ss", "-Hltnp", f"sport = :{port}"], check_rc=True)
            pids = listeners(table, host, port)
        except OSError as error:
            reason, own = error.strerror, addresses(module)
            module.fail_json(msg=f"This host can't listen on {host}: {reason}. Its addresses are {own}.")
        if holder := in_the_way(module, pids, port) if pids else "":
            held.append({"port": port, "holder": holder})
    module.exit_json(changed=False, held=held)


if __name__ == "__main__":
    main()
