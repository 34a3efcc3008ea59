"""Images by link: one guarded GET, every redirect of it guarded alike.

The address that was checked is the one that is dialled: a name is resolved once, every address it has
must be permitted, and the connection is made to such an address and no other name is asked again.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import httpcore

from hailo_vision import __version__
from hailo_vision.allow_list import AllowList
from hailo_vision.config import MediaConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.images.addresses import Forbidden, Malformed, Url, is_public, parse_url
from hailo_vision.images.inline import too_large
from hailo_vision.images.login import Login
from hailo_vision.images.multipart import FirstPart

Resolver = Callable[[str, int], Sequence[str]]

_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_UNAUTHORIZED = 401
_THREADS = 4
_GRACE_SECONDS = 1.0
_HEADERS = [
    (b"User-Agent", f"hailo-vision/{__version__}".encode()),
    (b"Accept", b"image/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
]


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Fetcher:
    """Gets images from the links that the configuration permits."""

    def __init__(self, config: MediaConfig, resolver: Resolver = resolve) -> None:
        self._config = config
        self._allowed = AllowList(config.allow_hosts)
        self._resolver = resolver
        self._threads = ThreadPoolExecutor(_THREADS, "fetch")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Trusts the operating system's certificates, to which an operator can add those of a camera."""
        return ssl.create_default_context()

    async def get(self, link: str) -> bytes:
        """The bytes behind a link.

        Raises:
            RequestError: the link is not permitted, leads to no image, or took too long.
        """
        deadline = time.monotonic() + self._config.fetch_timeout
        loop = asyncio.get_running_loop()
        try:
            # The thread ends by its own deadline; only a name server can hold it longer.
            async with asyncio.timeout(self._config.fetch_timeout + _GRACE_SECONDS):
                return await loop.run_in_executor(self._threads, self.fetch, link, deadline)
        except TimeoutError:
            raise _failed() from None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def fetch(self, link: str, deadline: float) -> bytes:
        """As get(), for a thread; deadline is a time of time.monotonic()."""
        try:
            return self._follow(link, deadline)
        except Malformed as error:
            raise RequestError(Kind.INVALID_IMAGE_URL, str(error)) from None
        except Forbidden:
            raise RequestError(Kind.IMAGE_URL_NOT_ALLOWED, "This image link is not allowed.") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise _failed() from error

    def _follow(self, link: str, deadline: float) -> bytes:
        url = parse_url(link)
        login, confidant = url.login, url.origin
        for _ in range(_MAX_REDIRECTS + 1):
            addresses, is_operators = self._permitted(url.host, url.port)
            is_told = is_operators and url.origin == confidant
            if url.login and not is_told:
                raise Forbidden
            with self._get(url, _Dialler(addresses, deadline), login if is_told else None) as response:
                if response.status not in _REDIRECTS:
                    return self._body(response)
                location = dict(_lower(response.headers)).get(b"location", b"")
            url = _redirected(url, location.strip().decode("utf-8", "surrogateescape"))
        raise _no_image()

    @contextlib.contextmanager
    def _get(self, url: Url, dialler: "_Dialler", login: Login | None) -> Iterator[httpcore.Response]:
        """The answer to a GET, or if it asks for a login that there is, to a second one that tells it."""
        target = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target.encode())
        headers = [(b"Host", url.authority.encode()), *_HEADERS]
        with httpcore.ConnectionPool(self._tls, network_backend=dialler) as pool:
            with pool.stream("GET", target, headers=headers) as response:
                authorization = None
                if login and response.status == _UNAUTHORIZED:
                    named = _lower(response.headers)
                    asked = [value.decode("latin-1") for name, value in named if name == b"www-authenticate"]
                    authorization = login.answer(asked, url.target)
                if not authorization:
                    yield response
                    return
            headers.append((b"Authorization", authorization.encode()))
            with pool.stream("GET", target, headers=headers) as response:
                yield response

    def _body(self, response: httpcore.Response) -> bytes:
        """The image's bytes, as many as are allowed and as they are: nothing is decompressed."""
        if response.status >= 500:
            raise OSError(f"status {response.status}")
        if response.status == _UNAUTHORIZED:
            raise _no_image(
                "The image link's host asks for a user and a password, or for other ones: expected "
                "http://USER:PASSWORD@HOST/... with the host in media.allow_hosts."
            )
        headers = dict(_lower(response.headers))
        encoded = headers.get(b"content-encoding", b"identity").lower() != b"identity"
        if response.status != 200 or encoded:
            raise _no_image()
        is_stream = headers.get(b"content-type", b"").lower().startswith(b"multipart/x-mixed-replace")
        part = FirstPart() if is_stream else None
        body = bytearray()
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > self._config.max_image_bytes:
                raise too_large(self._config)
            if part and (image := part.find(body)) is not None:
                return image
        if part:
            raise _no_image()
        return bytes(body)

    def _permitted(self, host: str, port: int) -> tuple[list[str], bool]:
        """The addresses of a host, of which each must be public or allowed by the operator, and whether it is
        the operator's: allowed by its name or by all its addresses, not for being public."""
        remote, by_name = self._config.remote, self._allowed.has_name(host)
        if remote == "off" or (remote == "allowed" and not by_name and not self._config.allow_hosts):
            raise Forbidden
        try:
            addresses = [str(ipaddress.ip_address(host))]
        except ValueError:
            addresses = list(dict.fromkeys(self._resolver(host, port)))
        strange = [ip for ip in map(ipaddress.ip_address, addresses) if not self._allowed.has_address(ip)]
        is_operators = by_name or not strange
        if not is_operators and not (remote == "public" and all(map(is_public, strange))):
            raise Forbidden
        return addresses, is_operators


class _Dialler(httpcore.NetworkBackend):
    """Opens connections to the checked addresses of one host, and lets nothing outlast the deadline."""

    def __init__(self, addresses: list[str], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses:
            try:
                stream = httpcore.SyncBackend().connect_tcp(address, port, _left(self._deadline))
                return _Stream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection of which every step ends by the deadline, however slowly its bytes come."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Stream(stream, self._deadline)


def _redirected(url: Url, location: str) -> Url:
    try:
        base = f"{url.scheme}://{url.authority}{url.target}"
        target = parse_url(urllib.parse.urljoin(base, location) if location else "")
    except ValueError as error:
        reason = error if isinstance(error, Malformed) else "Expected a link."
        raise Malformed(f"The image link redirects to something else than a link. {reason}") from error
    if target.login:
        raise Forbidden  # a host can't make us use another login than the client's
    return target


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout("the time is over")
    return seconds


def _lower(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower(), value) for name, value in headers)


def _no_image(
    message: str = "The image link's host answered with something else than an image.",
) -> RequestError:
    """The host answers, but not with an image."""
    return RequestError(Kind.INVALID_IMAGE_URL, message)


def _failed() -> RequestError:
    """A fault of the link: most that fail once fail always, so no client should try again by itself."""
    return RequestError(Kind.IMAGE_FETCH_FAILED, "The image could not be fetched from its link.")
