"""Which links may be followed: the written form of a URL, and the addresses that may be dialled.

A service that fetches what strangers name can be sent to hosts that only it can reach (server-side
request forgery). So a URL has one strict form here, in which curl gets it as well, and every address that
its host has must be public or allowed by the operator.
"""

import ipaddress
import re
import urllib.parse
from typing import NamedTuple

from hailo_vision.allow_list import HOST_NAME, Address, AllowList

_MAX_LENGTH = 8192
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=:)", re.IGNORECASE)
_STREAMS = ("rtsp", "rtsps", "rtmp", "rtmps", "webrtc")
_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE
)
_AUTHORITY = re.compile(r"//([^/?#]*)([^#]*)")
_NEVER_WRITTEN = re.compile(r"[\x00-\x1f\x7f\\]")
# What stays as it is in a path or query: what RFC 3986 allows there, and the few printable characters more
# that browsers let through.
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_UNPRIVILEGED_PORT = 1024

# All that is assigned to hosts of the internet. Below it lie the forms that carry an IPv4 address.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
# Global by the registries, but they carry or relay to addresses of any kind; and, as the ipaddress module
# of some supported Python says otherwise, ranges that are not global.
_NEVER_PUBLIC = AllowList(
    (
        "100.64.0.0/10",  # carrier-grade NAT
        "192.88.99.0/24",  # 6to4 relays
        "192.0.0.0/24",
        "2001::/23",  # Teredo and other special uses
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


class Forbidden(ValueError):
    """A link must not be followed; it never says why, so as not to reveal what is in the network."""


class Malformed(ValueError):
    """A link is not written as it has to be; the text is a sentence that says what was expected."""


class Url(NamedTuple):
    """A link in parts.

    Attributes:
        host: a name in lower case, or an address without the brackets of IPv6.
        target: path and query, percent-encoded.
        login: USER:PASSWORD that it names, each percent-encoded, if any; never part of a log or a message.
    """

    scheme: str
    host: str
    port: int
    target: str
    login: str | None = None

    def __repr__(self) -> str:
        """The link without its login."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """To whom a login may be told."""
        return (self.scheme, self.host, self.port)


def parse_url(text: str) -> Url:
    """The parts of an http or https URL.

    Raises:
        Malformed: it has another scheme, a port of another service, or is written in a way that other
            programs might read otherwise.
    """
    if len(text) > _MAX_LENGTH:
        raise Malformed(f"Expected a link of at most {_MAX_LENGTH} characters.")
    if _NEVER_WRITTEN.search(text):
        raise Malformed("Expected a link without backslashes and control characters.")
    scheme = match[0].lower() if (match := _SCHEME.match(text)) else ""
    if scheme in _STREAMS:
        raise Malformed(
            "Expected an http or https link to a single image, not to a video stream: most cameras have one "
            "for snapshots, Frigate has /api/CAMERA/latest.jpg, go2rtc has /api/frame.jpeg?src=CAMERA."
        )
    parts = _AUTHORITY.match(text, len(scheme) + 1)
    if scheme not in _DEFAULT_PORTS or not parts:
        raise Malformed("Expected a link that begins with http:// or https://.")
    userinfo, at, address = parts[1].rpartition("@")
    host = _HOST.fullmatch(address)
    if not host:
        raise Malformed("Expected a host and no more than a port, as in http://camera.lan:8080/snapshot.jpg.")
    port = int(host["port"]) if host["port"] else _DEFAULT_PORTS[scheme]
    if port not in _DEFAULT_PORTS.values() and not _FIRST_UNPRIVILEGED_PORT <= port <= 65535:
        raise Malformed("Expected the port of a link to be 80, 443, or one from 1024 to 65535.")
    return Url(
        scheme,
        _host(host["name"], host["ipv6"]),
        port,
        _encoded(parts[2] if parts[2].startswith("/") else f"/{parts[2]}"),
        _login(userinfo) if at else None,
    )


def _host(name: str | None, ipv6: str | None) -> str:
    """A host name, or an address in its canonical form: 127.1, 0x7f.1 and 017700000001 are refused."""
    try:
        if ipv6 is not None:
            return str(ipaddress.IPv6Address(ipv6))
        assert name is not None
        ascii_name = name if name.isascii() else name.encode("idna").decode()
        if _NUMBER.fullmatch(ascii_name.rpartition(".")[2]):
            return str(ipaddress.IPv4Address(name))
    except ValueError as error:
        raise Malformed(
            "Expected the host of a link to be a name, four decimal numbers as in 192.168.1.9, or an IPv6 "
            "address in brackets."
        ) from error
    if not HOST_NAME.fullmatch(ascii_name) or len(ascii_name) > 253:
        raise Malformed("Expected the host name of a link to be letters, digits, hyphens and single dots.")
    return ascii_name.lower()


def _encoded(target: str) -> str:
    """A path and query in which spaces and letters beyond ASCII are percent-encoded; escapes stay."""
    try:
        return urllib.parse.quote(target, safe=_PRINTABLE, errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise Malformed("Expected a link of valid Unicode.") from error


def _login(userinfo: str) -> str:
    user, _, password = map(urllib.parse.unquote, userinfo.partition(":"))
    if "@" in userinfo or not f"{user}{password}".isprintable():
        raise Malformed("Expected USER:PASSWORD@HOST in a link, with an @ in a password written as %40.")
    return ":".join(urllib.parse.quote(part, safe="") for part in (user, password))


def is_public(address: Address) -> bool:
    """Whether an address belongs to a host of the public internet."""
    return (
        address.is_global
        and not address.is_multicast
        and (address.version == 4 or address in _PUBLIC_IPV6)
        and not _NEVER_PUBLIC.has_address(address)
    )
