"""Images by link: one guarded GET by curl, every redirect of it guarded alike.

The address that was checked is the one that is dialled: a name is resolved once, every address it has
must be permitted, and curl is given these addresses and asks no name server itself.
"""

import asyncio
import ipaddress
import json
import socket
import urllib.parse
from asyncio.subprocess import PIPE
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hailo_vision import __version__
from hailo_vision.allow_list import AllowList
from hailo_vision.child_process import child_process
from hailo_vision.config import MediaConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.images.addresses import Forbidden, Malformed, Url, is_public, parse_url
from hailo_vision.images.inline import too_large
from hailo_vision.images.multipart import first_part

Resolver = Callable[[str, int], Sequence[str]]

_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_UNAUTHORIZED = 401
_THREADS = 32  # a name server may hold one beyond the time of its link
_PIECE = 64 * 1024
_HEADERS = ("location", "content-type", "content-encoding")
_CURL = (
    *("curl", "--disable", "--silent", "--no-buffer", "--noproxy", "*", "--proto", "=http,https"),
    *("--http1.1", "--path-as-is", "--globoff", "--basic", "--digest", "--fail"),
    *("--user-agent", f"hailo-vision/{__version__}"),
    *("--header", "Accept: image/*", "--header", "Accept-Encoding: identity"),
    *("--write-out", "%{stderr}%{http_code}\n" + "\n".join(f"%header{{{name}}}" for name in _HEADERS)),
    *("--config", "-"),  # the link comes by a pipe: everybody can read the words of a command
)


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host but those that need an interface's name as well, which curl does not take."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    return [address for address in found if "%" not in address]


class Fetcher:
    """Gets images from the links that the configuration permits."""

    def __init__(self, config: MediaConfig, resolver: Resolver = resolve) -> None:
        self._config = config
        self._allowed = AllowList(config.allow_hosts)
        self._resolver = resolver
        self._threads = ThreadPoolExecutor(_THREADS, "resolve")

    async def get(self, link: str) -> bytes:
        """The bytes behind a link; whoever leaves early ends the transfer.

        Raises:
            RequestError: the link is not permitted, leads to no image, or took too long.
        """
        try:
            async with asyncio.timeout(self._config.fetch_timeout):
                return await self._follow(link)
        except Malformed as error:
            raise RequestError(Kind.INVALID_IMAGE_URL, str(error)) from None
        except Forbidden:
            raise RequestError(Kind.IMAGE_URL_NOT_ALLOWED, "This image link is not allowed.") from None
        except (TimeoutError, ConnectionError, socket.gaierror) as error:
            # Most links that fail once fail always, so no client should try again by itself.
            raise RequestError(
                Kind.IMAGE_FETCH_FAILED, "The image could not be fetched from its link."
            ) from error

    async def _follow(self, link: str) -> bytes:
        url = parse_url(link)
        login, confidant = url.login, url.origin
        for _ in range(_MAX_REDIRECTS + 1):
            addresses, is_operators = await self._permitted(url.host, url.port)
            is_told = is_operators and url.origin == confidant
            if url.login and not is_told:
                raise Forbidden
            body, location = await self._get(url, addresses, login if is_told else None)
            if location is None:
                return body
            url = _redirected(url, location.strip())
        raise _no_image()

    async def _get(self, url: Url, addresses: Sequence[str], login: str | None) -> tuple[bytes, str | None]:
        """The image behind a link, as it is and not decompressed; or where the link redirects to.

        Raises:
            ConnectionError: the host is not reached, breaks off, or has a fault of its own.
        """
        whole = f"{url.scheme}://{f'{login}@' if login else ''}{url.authority}{url.target}"
        command = [*_CURL, "--resolve", f"*:{url.port}:{','.join(addresses)}"]
        body = bytearray()
        async with child_process("fetch images", *command, stderr=PIPE) as curl:
            assert curl.stdin
            assert curl.stdout
            assert curl.stderr
            curl.stdin.write(f"url = {json.dumps(whole)}".encode())
            curl.stdin.close()
            while piece := await curl.stdout.read(_PIECE):
                body += piece
                if len(body) > self._config.max_image_bytes:
                    raise too_large(self._config)
                if (image := first_part(body, len(piece))) is not None:
                    return image, None
            lines = (await curl.stderr.read()).decode("utf-8", "surrogateescape").split("\n")
            await curl.wait()
        if not lines[0].isdigit():
            raise ConnectionError(f"curl ended with status {curl.returncode}")
        status, (location, kind, encoding) = int(lines[0]), lines[1:]  # status 0 if there is none
        if status in _REDIRECTS:
            return b"", location
        if status == _UNAUTHORIZED:
            raise _no_image(
                "The image link's host asks for a user and a password, or for other ones: expected "
                "http://USER:PASSWORD@HOST/... with the host in media.allow_hosts."
            )
        if status < 200 or status >= 500 or (status < 400 and curl.returncode):
            raise ConnectionError(f"status {status}, curl's exit status {curl.returncode}")
        is_stream = kind.lower().startswith("multipart/x-mixed-replace")
        if status != 200 or is_stream or encoding.lower() not in ("", "identity"):
            raise _no_image()
        return bytes(body), None

    async def _permitted(self, host: str, port: int) -> tuple[list[str], bool]:
        """The addresses of a host, of which each must be public or allowed by the operator, and whether it is
        the operator's: allowed by its name or by all its addresses, not for being public."""
        remote, by_name = self._config.remote, self._allowed.has_name(host)
        if remote == "off" or (remote == "allowed" and not by_name and not self._config.allow_hosts):
            raise Forbidden
        try:
            addresses = [str(ipaddress.ip_address(host))]
        except ValueError:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._threads, self._resolver, host, port)
            addresses = list(dict.fromkeys(found))
        strange = [ip for ip in map(ipaddress.ip_address, addresses) if not self._allowed.has_address(ip)]
        is_operators = by_name or not strange
        if not is_operators and not (remote == "public" and all(map(is_public, strange))):
            raise Forbidden
        return addresses, is_operators


def _redirected(url: Url, location: str) -> Url:
    try:
        target = parse_url(urllib.parse.urljoin(str(url), location) if location else "")
    except ValueError as error:
        reason = error if isinstance(error, Malformed) else "Expected a link."
        raise Malformed(f"The image link redirects to something else than a link. {reason}") from error
    if target.login:
        raise Forbidden  # a host can't make us use another login than the client's
    return target


def _no_image(
    message: str = "The image link's host answered with something else than an image.",
) -> RequestError:
    """The host answers, but not with an image."""
    return RequestError(Kind.INVALID_IMAGE_URL, message)
