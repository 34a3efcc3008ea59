"""API keys: who may use the API, and as whom."""

import base64
import binascii
import hashlib
import hmac
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from hailo_vision.files import read_keys
from hailo_vision.http.errors import HttpError

log = logging.getLogger(__name__)

CREDENTIAL = "api-keys"


def keys_file(configured: str | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file of keys: the configured one, else the systemd credential "api-keys", else none."""
    if configured is not None:
        return Path(configured)
    directory = environment.get("CREDENTIALS_DIRECTORY")
    given = Path(directory, CREDENTIAL) if directory else None
    return given if given and given.exists() else None


class Keys:
    """The keys in a file, as read_keys() finds them.

    The file is read again when it changes. While it can't be read or holds no key, nobody gets in: a
    service that was meant to be closed must not open because of a typing error. In memory there are
    only hashes.
    """

    def __init__(self, path: Path | None) -> None:
        """path: None lets everybody in."""
        self._path = path
        self._hashes: list[bytes] = []
        self._stamp: tuple[int, int, int] | None = None
        self._problem = ""

    @property
    def required(self) -> bool:
        """Whether anybody needs a key."""
        return self._path is not None

    @property
    def problem(self) -> str:
        """Why nobody gets in; "" if who has a key does."""
        if self._path:
            self._refresh(self._path)
        return self._problem

    def check(self, authorization: str, api_key: str) -> str:
        """Who asks, by the headers Authorization and X-Api-Key of a request: the hash of the credential, by
        which a client's context is known again.

        Raises:
            HttpError: keys are asked for and none of them was given.
        """
        given = _credential(authorization) or api_key.strip()
        credential = hashlib.sha256(given.encode(errors="surrogateescape"))
        if self._path is None:
            return credential.hexdigest()
        self._refresh(self._path)
        digest = credential.digest()
        # All are compared, each in constant time: the time taken tells nothing about the keys.
        if sum([hmac.compare_digest(digest, known) for known in self._hashes]):
            return credential.hexdigest()
        needed = "An API key is required: Authorization: Bearer KEY."
        message = "The API key is not valid." if given else needed
        raise HttpError("invalid_api_key", message, {"WWW-Authenticate": "Bearer"})

    def _refresh(self, path: Path) -> None:
        try:
            status = path.stat()
            stamp = (status.st_ctime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return
            keys = read_keys(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            self._take([], f"{path} cannot be read ({reason})")
            self._stamp = None
            return
        self._take(keys, "" if keys else f"{path} holds no key")
        self._stamp = stamp

    def _take(self, keys: list[str], problem: str) -> None:
        self._hashes = [hashlib.sha256(key.encode()).digest() for key in keys]
        told = f"{problem}: every request is refused until it is mended." if problem else ""
        if told and told != self._problem:
            log.error("%s", told)
        elif not told:
            log.info("API keys read from %s: %d", self._path, len(keys))
        self._problem = told


def _credential(authorization: str) -> str:
    """The key in an Authorization header. Basic is what browsers can send by themselves: there the key
    is the password, or the name of a user without one."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return ""
        return password or name
    return ""
