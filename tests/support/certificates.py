"""Certificates for servers of the tests' own."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_ISSUE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"


@dataclass(frozen=True)
class Certificate:
    """A certificate that has signed itself, and its key, both in PEM."""

    chain: Path
    key: Path

    def trusted(self) -> ssl.SSLContext:
        """What a client takes that trusts this one alone."""
        return ssl.create_default_context(cafile=str(self.chain))


def issue(folder: Path, name: str) -> Certificate:
    """Make one for a name such as ``DNS:camera.lan`` or ``IP:127.0.0.1``."""
    found = Certificate(folder / "certificate.pem", folder / "key.pem")
    files = ["-out", str(found.chain), "-keyout", str(found.key)]
    subprocess.run(
        [*_ISSUE.split(), "-addext", f"subjectAltName={name}", *files], check=True, capture_output=True
    )
    return found
