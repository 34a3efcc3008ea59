"""Which links may be followed: the written form of a URL, and the addresses that may be dialled.

A service that fetches what strangers name can be sent to hosts that only it can reach (server-side
request forgery). So a URL has one strict form here, read by one parser that the dialling uses too, and
every address that its host has must be public or allowed by the operator.
"""

import ipaddress
import re
from typing import NamedTuple

from hailo_vision.allow_list import HOST_NAME, Address

_MAX_LENGTH = 8192
# The path may hold what RFC 3986 allows in paths, queries and fragments, and the few printable
# characters that browsers let through; never a backslash, a space or a control character.
_URL = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<host>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][!-\"$-\[\]-~]*)?(?:#[!-\[\]-~]*)?",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_UNPRIVILEGED_PORT = 1024

# All that is assigned to hosts of the internet. Below it lie the forms that carry an IPv4 address.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
# Global by the registries, but they carry or relay to addresses of any kind; and, as the ipaddress module
# of some supported Python says otherwise, ranges that are not global.
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # carrier-grade NAT
        "192.88.99.0/24",  # 6to4 relays
        "192.0.0.0/24",
        "2001::/23",  # Teredo and other special uses
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


class Forbidden(ValueError):
    """A link must not be followed; never tells why, lest it tells what is there."""


class Url(NamedTuple):
    """A link in parts; host is lower-case, without the brackets of IPv6."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(text: str) -> Url:
    """The parts of an http or https URL.

    Raises:
        Forbidden: it has another scheme, user information, a port of another service, or is written in
            a way that other programs might read otherwise.
    """
    match = _URL.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise Forbidden
    scheme = match["scheme"].lower()
    host = _host(match["host"], match["ipv6"])
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if port not in _DEFAULT_PORTS.values() and not _FIRST_UNPRIVILEGED_PORT <= port <= 65535:
        raise Forbidden
    target = match["target"] or "/"
    return Url(scheme, host, port, target if target.startswith("/") else f"/{target}")


def _host(name: str | None, ipv6: str | None) -> str:
    """A host name, or an address in its canonical form: 127.1, 0x7f.1 and 017700000001 are none."""
    try:
        if ipv6 is not None:
            return str(ipaddress.IPv6Address(ipv6))
        assert name is not None
        if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2], re.IGNORECASE):
            return str(ipaddress.IPv4Address(name))
    except ValueError as error:
        raise Forbidden from error
    if not HOST_NAME.fullmatch(name) or len(name) > 253:
        raise Forbidden
    return name.lower()


def is_public(address: Address) -> bool:
    """Whether an address belongs to a host of the public internet."""
    return (
        address.is_global
        and not address.is_multicast
        and (address.version == 4 or address in _PUBLIC_IPV6)
        and not any(address.version == net.version and address in net for net in _NEVER_PUBLIC)
        and getattr(address, "scope_id", None) is None
    )
