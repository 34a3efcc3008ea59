"""Host names, addresses and networks from which the operator allows images."""

import ipaddress
import re
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)


class AllowList:
    """What the operator allows besides the public internet.

    Raises:
        ValueError: an entry is neither a host name nor an address nor a network.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._networks: list[Network] = []
        for entry in entries:
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                if not HOST_NAME.fullmatch(entry) or re.fullmatch(r"[0-9.]+", entry):
                    raise ValueError(
                        "expected a host name, an address or a network such as 192.168.1.0/24, "
                        f"got {entry[:80]!r}"
                    ) from None
                self._names.add(entry.lower())

    def has_name(self, host: str) -> bool:
        return host in self._names

    def has_address(self, address: Address) -> bool:
        return any(address in network for network in self._networks)
