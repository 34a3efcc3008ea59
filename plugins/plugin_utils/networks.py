"""Networks as people write them, for nftables."""

import ipaddress
from typing import Any


def networks(entries: list[str]) -> dict[str, list[str]]:
    """Addresses and networks by family, ``ip`` and ``ip6`` as nftables has them; ``wrong`` for the rest.

    None is part of another, which nftables takes for a conflict.
    """
    found: dict[int, list[Any]] = {4: [], 6: []}
    wrong = []
    for entry in entries:
        try:
            network = ipaddress.ip_network(entry)
            found[network.version].append(network)
        except ValueError:
            wrong.append(entry)
    ip, ip6 = ([str(one) for one in ipaddress.collapse_addresses(found[family])] for family in (4, 6))
    return {"ip": ip, "ip6": ip6, "wrong": wrong}
