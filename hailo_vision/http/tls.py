"""HTTPS: the certificate and its key, read again when their files change."""

import logging
import os
import ssl

from hailo_vision.config import ConfigError
from hailo_vision.files import require_regular

log = logging.getLogger(__name__)


class Certificate:
    """A certificate chain and its key, for a server that goes on while they are renewed.

    Attributes:
        context: for the server; each new connection gets what the files hold then.
        problem: why the files could not be read again; "" if they could.
    """

    def __init__(self, chain: str, key: str | None) -> None:
        """Raises:
        ConfigError: the files can't be read or don't belong together.
        """
        self._files = (chain, key or chain)
        self.problem = ""
        self._stamp = self._look()
        self.context = self._current = self._load()
        self.context.sni_callback = self._choose

    def _look(self) -> list[tuple[int, int, int]]:
        """What changes with the files; empty while one is missing."""
        try:
            found = [os.stat(path) for path in self._files]
        except OSError:
            return []
        return [(status.st_ctime_ns, status.st_size, status.st_ino) for status in found]

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            require_regular(*self._files)
            context.load_cert_chain(*self._files, password=_ask_nobody)
        except OSError as error:
            reason = error.strerror or getattr(error, "reason", None) or error
            files = " and ".join(self._files)
            raise ConfigError(f"server.tls_cert: {files} can't be used: {reason}") from error
        return context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """At the begin of each connection, whether or not the client names a server."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._current = self._load()
                self.problem = ""
                log.info("Certificate read from %s", self._files[0])
            except ConfigError as error:
                self.problem = f"{error}. The former certificate stays in use."
                log.error("%s", self.problem)
        connection.context = self._current


def _ask_nobody() -> str:
    """Instead of OpenSSL, which would ask at the terminal and wait."""
    raise OSError("the key has a pass phrase; expected one without")
