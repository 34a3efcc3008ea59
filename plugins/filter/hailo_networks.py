"""Networks as people write them, for nftables."""

from __future__ import annotations

import ipaddress
from typing import Any


def networks(entries: list[str]) -> dict[str, list[str]]:
    """Addresses and networks by family, ``ip`` and ``ip6`` as nftables has them; ``wrong`` for the rest.

    None is part of another, which nftables takes for a conflict.
    """
    ip: list[ipaddress.IPv4Network] = []
    ip6: list[ipaddress.IPv6Network] = []
    wrong = []
    for entry in entries:
        try:
            network = ipaddress.ip_network(entry)
        except ValueError:
            wrong.append(entry)
        else:
            if isinstance(network, ipaddress.IPv4Network):
                ip.append(network)
            else:
                ip6.append(network)
    collapsed = {"ip": ipaddress.collapse_addresses(ip), "ip6": ipaddress.collapse_addresses(ip6)}
    return {family: [str(one) for one in found] for family, found in collapsed.items()} | {"wrong": wrong}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"hailo_networks": networks}
