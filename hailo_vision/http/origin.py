"""Which web pages may use the service: any page that is opened in the operator's network can send requests.

Two ways in are closed. A page of another site sends requests (cross-site request forgery): the browser names
the page's origin in them. And a page lets its own host name lead to the service's address (DNS rebinding):
the browser takes service and page for one site, and only the Host header gives it away.
"""

import ipaddress
import re
import socket
from functools import lru_cache
from urllib.parse import urlsplit

from sanic import HTTPResponse, Request
from sanic.response import BaseHTTPResponse

from hailo_vision.config import Config
from hailo_vision.http.errors import HttpError

# No public name server gives names below these: RFC 6761, 6762 and 8375; ICANN reserved internal in 2024; lan
# and home are what routers use, and were never delegated.
_PRIVATE = (".localhost", ".local", ".home.arpa", ".internal", ".lan", ".home")
# Desktop programs made of web pages, and browsers' extensions: what a user installs is no page of another
# site, and no site can have such an origin. "null" is no program: pages in a sandbox have it.
_OF_A_PROGRAM = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*://")
# Headers of the service's own that OpenAI's SDKs or users look at: a browser hides others from a page.
_READ_BY_CLIENTS = "x-request-id, retry-after, x-should-retry, x-images-left-out"
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


class Gatekeeper:
    """Refuses requests that a foreign page may have made; lets pages of the configured origins in (CORS)."""

    def __init__(self, config: Config, keys_required: bool) -> None:
        server = config.server
        self._origins = server.cors_origins
        # With keys, a page that was rebound has none; with TLS, the certificate is not made out to its name.
        self._check_hosts = not keys_required and not server.tls_cert and "*" not in server.allowed_hosts
        self._hosts = {*(name.lower() for name in server.allowed_hosts), socket.gethostname().lower()}

    def check_origin(self, request: Request) -> None:
        """Raises:
        HttpError: the request was made by a page of a site that cors_origins does not name.
        """
        origin = request.headers.get("origin")
        if (
            origin is None
            or _OF_A_PROGRAM.match(origin)
            or self._is_named(origin)
            or _same_site(origin, request)
        ):
            return
        raise HttpError(
            "origin_not_allowed",
            f"Web pages of {origin[:80]!r} may not use this service; its operator can name that origin in "
            "server.cors_origins.",
        )

    def check_host(self, request: Request) -> None:
        """Raises:
        HttpError: the name by which the service was asked may be anybody's.
        """
        host = request.headers.get("host", "")
        if self._check_hosts and not self._trusted(_name_of(host)):
            raise HttpError(
                "host_not_allowed",
                f"This service does not answer to the host name {host[:80]!r}; its operator can add it to "
                "server.allowed_hosts, or set up keys or TLS.",
            )

    def preflight(self, request: Request) -> HTTPResponse | None:
        """The answer to a browser that asks what it may send: it carries no key."""
        headers = request.headers
        if request.method != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        return HTTPResponse(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, HEAD, POST",
                "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "*"),
                "Access-Control-Max-Age": "600",
            },
        )

    def mark(self, request: Request, response: BaseHTTPResponse) -> None:
        """Tell the browser that a page of an allowed origin may read the response."""
        response.headers["Vary"] = "Origin"
        origin = request.headers.get("origin")
        if self._is_named(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _READ_BY_CLIENTS

    def _is_named(self, origin: str | None) -> bool:
        return origin is not None and ("*" in self._origins or origin in self._origins)

    def _trusted(self, name: str) -> bool:
        """Whether a name or address leads to this service only: no page from elsewhere can have it."""
        if "." not in name or name.endswith(_PRIVATE) or name in self._hosts or _is_address(name):
            return True
        parts = name.split(".")
        return any("." + ".".join(parts[start:]) in self._hosts for start in range(len(parts)))


@lru_cache(maxsize=16)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_site(origin: str, request: Request) -> bool:
    """Whether a page of the service's own made a request.

    Browsers say so themselves (Sec-Fetch-Site, which no page can set) where the page came by HTTPS or from
    the same machine. Else the origin is the host that was asked for, at the service or at a proxy before it:
    a page of another site can't set X-Forwarded-Host unless its origin is allowed (CORS).
    """
    headers = request.headers
    if headers.get("sec-fetch-site") == "same-origin":
        return True
    try:
        scheme, host, *_ = urlsplit(origin.lower())
    except ValueError:
        return False
    port = _DEFAULT_PORT.get(scheme, "")
    hosts = (headers.get("host", ""), headers.get("x-forwarded-host", "").partition(",")[0])
    return bool(host) and host.removesuffix(port) in [
        asked.strip().lower().removesuffix(port) for asked in hosts
    ]


def _name_of(host: str) -> str:
    """The name or address in a Host header, "" if there is none: no browser leaves it out."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")
