"""Talks to the gateway's HAProxy. As a program, looks its Pis up by their names, again and again.

HAProxy does so when it reads its configuration. Later it asks name servers only, which know nothing of
/etc/hosts and multicast DNS: a Pi that comes up after the gateway, or gets another address, would stay away.
"""

from __future__ import annotations

import contextlib
import csv
import os
import socket
import time

# The second is that of a gateway of the earlier kind, which the next run of its role replaces.
ADMINS = ("/run/hailo-vision-gateway/admin.sock", "/run/haproxy/admin.sock")
ADMIN = next(filter(os.path.exists, ADMINS), ADMINS[0])
BACKEND = "hailo_nodes"
SECONDS = 10


def command(text: str) -> str:
    """Send one command to HAProxy and return its answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(ADMIN)
        connection.sendall(f"{text}\n".encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def table(question: str, delimiter: str) -> list[dict[str, str]]:
    """The table that HAProxy answers with, by the names in its head; no rows for an unknown backend."""
    return list(csv.DictReader(command(question).partition("# ")[2].splitlines(), delimiter=delimiter))


def servers() -> list[dict[str, str]]:
    """The Pis and what HAProxy knows of them, by the names of its management guide ("show servers state")."""
    return table(f"show servers state {BACKEND}", " ")


def addresses(name: str) -> list[str]:
    """What a name stands for now, the same order each time; empty if nobody knows it."""
    with contextlib.suppress(OSError):
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET)})
    with contextlib.suppress(OSError):
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET6)})
    return []


def refresh() -> None:
    """Give HAProxy the address of each Pi whose name stands for another than it has."""
    for server in servers():
        if server["srv_fqdn"] != "-":
            found = addresses(server["srv_fqdn"])
            if found and server["srv_addr"] not in found:
                command(f"set server {BACKEND}/{server['srv_name']} addr {found[0]}")


def main() -> None:
    """Never ends."""
    while True:
        with contextlib.suppress(OSError):  # HAProxy may be about to start
            refresh()
        time.sleep(SECONDS)


if __name__ == "__main__":
    main()
