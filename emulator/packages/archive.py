"""A signed apt archive, as the emulated Pis have it for their vendor's."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from emulator.packages import deb
from emulator.packages.catalogue import SUITES

KEYRING = "emulated-vendor.gpg"
_ARCHITECTURES = ("amd64", "arm64")


def build(folder: Path) -> None:
    """Build all packages and the index of every suite into ``folder``, signed with a key of this build's own.

    The key's public half lies beside it as ``emulated-vendor.gpg``.

    Raises:
        subprocess.CalledProcessError: dpkg-deb, apt-ftparchive or gpg failed.
    """
    # gpg's agent listens on a socket in this folder, and a socket's path may not be long.
    home = Path(tempfile.mkdtemp(prefix="hv-gpg-", dir="/tmp"))
    try:
        _make_key(home, folder / KEYRING)
        for suite, packages in SUITES.items():
            pool = folder / "pool" / suite
            pool.mkdir(parents=True)
            for package in packages:
                deb.build(package, pool)
            _index(folder, suite)
            _sign(home, folder / "dists" / suite)
    finally:
        _gpg(home, "gpgconf", "--kill", "all")
        shutil.rmtree(home)


def _gpg(home: Path, *command: str) -> None:
    subprocess.run(command, env={**os.environ, "GNUPGHOME": str(home)}, check=True, capture_output=True)


def _make_key(home: Path, keyring: Path) -> None:
    keyring.parent.mkdir(parents=True, exist_ok=True)
    name = "Emulated vendor archive"
    _gpg(home, "gpg", "--batch", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
    _gpg(home, "gpg", "--batch", "--output", str(keyring), "--export")


def _index(folder: Path, suite: str) -> None:
    listing = _ftparchive(folder, "packages", f"pool/{suite}")
    dists = folder / "dists" / suite
    for architecture in _ARCHITECTURES:
        binary = dists / "main" / f"binary-{architecture}"
        binary.mkdir(parents=True)
        (binary / "Packages").write_bytes(listing)
    fields = {"Origin": "Emulated vendor", "Suite": suite, "Codename": suite, "Components": "main"}
    fields["Architectures"] = " ".join(_ARCHITECTURES)
    options = [f"-oAPT::FTPArchive::Release::{key}={value}" for key, value in fields.items()]
    (dists / "Release").write_bytes(_ftparchive(folder, *options, "release", f"dists/{suite}"))


def _ftparchive(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["apt-ftparchive", *arguments], cwd=folder, check=True, capture_output=True).stdout


def _sign(home: Path, dists: Path) -> None:
    _gpg(home, "gpg", "--batch", "--clearsign", "--output", str(dists / "InRelease"), str(dists / "Release"))
