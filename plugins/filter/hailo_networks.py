"""Networks as people write them, for nftables."""

from __future__ import annotations

import ipaddress
from typing import Any


def networks(entries: list[str]) -> dict[str, list[str]]:
    """Addresses and networks by family, ``ip`` and ``ip6`` as nftables has them; ``wrong`` for the rest."""
    found: dict[str, list[str]] = {"ip": [], "ip6": [], "wrong": []}
    for entry in entries:
        try:
            network = ipaddress.ip_network(entry)
        except ValueError:
            found["wrong"].append(entry)
        else:
            found["ip" if network.version == 4 else "ip6"].append(str(network))
    return found


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"hailo_networks": networks}
