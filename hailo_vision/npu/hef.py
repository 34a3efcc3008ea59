"""A compiled model (HEF): what its header says, and fetching it resumably.

Ansible's module hailo_hef runs this very file on hosts where no release is installed yet
(playbooks/module_utils/hailo_model_file.py links to it): the standard library only, nothing of this package.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import struct
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

MAGIC = bytes.fromhex("01484546")

# After a loss of power a transfer goes on where the file is known to be whole.
SYNCED_STEP = 64 << 20
CHUNK = 1 << 20

_HEADER_BYTES = 200_000
_HEADER = struct.Struct(">IIIQQIQ16x")
_FORMAT_WITH_SIZES = 3
_ALL_ANSWERED = 416

# Bytes there, bytes in all, whether a later transfer can go on from here. What it raises ends the transfer.
Observer = Callable[[int, int, bool], None]


class Failure(Exception):
    """The file can't be had; the message says why, the cure what helps."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message} {cure}")
        self.message = message
        self.cure = cure


class Interrupted(Failure):
    """A transfer ended early; another try goes on where it stopped."""


class Unfit(Failure):
    """What came is whole and is not what is wanted; another try would bring the same."""


@dataclass(frozen=True)
class Order:
    """What is fetched to where.

    Attributes:
        url: an http or https address.
        part: the file that gathers the bytes; a record of what they are of is kept beside it.
        identity: name of the very file wanted, the same for all mirrors; what was begun for another is
            begun anew.
        timeout: seconds without a byte after which a transfer counts as interrupted.
    """

    url: str
    part: Path
    identity: str
    timeout: float = 30

    @property
    def record(self) -> Path:
        """What the bytes in part are of."""
        return self.part.with_name(f"{self.part.name}.json")

    @property
    def shown_url(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def has_magic(path: Path) -> bool:
    """Whether a file begins as every HEF does."""
    return _head(path).startswith(MAGIC)


def sdk_version(path: Path) -> str | None:
    """The "sdk-version: X.Y.Z" of a file's header, None if it has none or can't be read."""
    found = re.search(rb"sdk-version:\s*(\d+(?:\.\d+)+)", _head(path))
    return found[1].decode() if found else None


def is_newer(version: str, other: str) -> bool:
    """Whether the first version is later than the second."""
    return _numbers(version) > _numbers(other)


def announced_size(path: Path) -> int | None:
    """The bytes that a file of format 3 has by its header; None if it is none, or can't be read.

    The header names the lengths of what follows it: description, networks, and further information
    (hef_internal.hpp of hailo-ai/hailort, hef__header_t).
    """
    head = _head(path)
    if len(head) < _HEADER.size:
        return None
    magic, version, described, _, networks, _, further = _HEADER.unpack_from(head)
    if magic != int.from_bytes(MAGIC) or version != _FORMAT_WITH_SIZES:
        return None
    return int(_HEADER.size + described + networks + further)


def find(hef_path: str | None, model_name: str, resources_dir: str) -> Path | None:
    """The named file, else the one in resources_dir that is called like the model; None if it is missing."""
    if hef_path is not None:
        return Path(hef_path) if os.path.exists(hef_path) else None
    try:
        candidates = sorted(Path(resources_dir).iterdir())
    except OSError:
        return None
    for candidate in candidates:
        if candidate.suffix == ".hef" and candidate.stem.lower() == model_name.lower():
            return candidate
    return None


def require_fit(path: Path, runtime: str | None) -> str:
    """The compiler's version in a whole file's header, empty if it names none.

    Raises:
        Unfit: the installed HailoRT (None: not known) refuses it.
    """
    version = sdk_version(path) or ""
    if version and runtime and is_newer(version, runtime):
        raise Unfit(
            f"The model was compiled by {version} and HailoRT {runtime} refuses newer models.",
            "Name the address of the model that was compiled for the installed version.",
        )
    return version


def require_checksum(path: Path, sha256: str | None) -> str:
    """The SHA-256 of a file.

    Raises:
        Unfit: it is another than the one given.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 and digest != sha256.lower():
        raise Unfit(
            f"The model's SHA-256 is {digest} and not {sha256}.", "Correct the address or the checksum."
        )
    return digest


def fetch(order: Order, observe: Observer) -> int:
    """Bring the partial file to its full length; returns the bytes that were there before.

    Raises:
        Interrupted: fewer bytes came than were announced.
        Failure: what comes is no HEF, or there is no room for it.
    """
    record = _load(order.record)
    offset = _resume_point(order, record)
    with _request(order, offset, record.get("validator", "")) as response:
        if offset and response.status != http.client.PARTIAL_CONTENT:
            if response.status == _ALL_ANSWERED and offset == _total(response, 0, order):
                return offset
            order.part.unlink()
            if response.status == _ALL_ANSWERED:
                raise Interrupted("The file at the mirror was exchanged.", "It is fetched anew.")
            offset = 0
        total = _total(response, offset, order)
        _require_space(order.part.parent, total - offset)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        # A weak validator does not stand for the very bytes, and may not be asked with (RFC 9110, 13.1.5).
        validator = "" if validator.startswith("W/") else validator
        record = {"identity": order.identity, "validator": validator, "synced": offset}
        _save(order.record, record)
        with order.part.open("ab" if offset else "wb") as file:
            try:
                _receive(response, order, file, record, total, observe)
            finally:
                _keep(order, file, record)
    return offset


def place(order: Order, path: Path) -> None:
    """Give a whole file its name, at once; readable for everybody, as a model is no secret."""
    order.part.chmod(0o644)
    _sync(order.part)
    order.part.replace(path)
    _sync(path.parent)
    order.record.unlink(missing_ok=True)


def discard(order: Order) -> None:
    """Forget what has been fetched."""
    order.part.unlink(missing_ok=True)
    order.record.unlink(missing_ok=True)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEADER_BYTES)
    except OSError:
        return b""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _request(order: Order, offset: int, validator: str) -> Any:
    """Open the address, from an offset if the file there is still the same."""
    headers = {"User-Agent": "hailo-vision"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator:
            headers["If-Range"] = validator
    try:
        return urllib.request.urlopen(
            urllib.request.Request(order.url, headers=headers), timeout=order.timeout
        )
    except urllib.error.HTTPError as error:
        if error.code == _ALL_ANSWERED:
            return error
        error.close()
        said = f"{order.shown_url} answered {error.code} {error.reason}."
        if error.code >= 500 or error.code == 429:
            raise Interrupted(said, "It is asked again.") from error
        raise Failure(said, "Is the mirror's address right?") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Interrupted(
            f"{order.shown_url} can't be reached: {reason}.", "Check network, name server and address."
        ) from error
    except ValueError as error:
        raise Failure(f"{order.shown_url} is no address: {error}.", "Correct it.") from error


def _total(response: Any, offset: int, order: Order) -> int:
    """The full length that a response promises."""
    announced = response.headers.get("Content-Range", "").rpartition("/")[2]
    if announced.isdigit():
        return int(announced)
    length = response.headers.get("Content-Length", "")
    if not length.isdigit():
        raise Failure(
            f"{order.shown_url} does not tell the file's length, so that it can't be verified.",
            "Use a server that does.",
        )
    return offset + int(length)


def _require_space(folder: Path, missing: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < missing:
        raise Failure(
            f"{folder} has {free / 1e9:.1f} GB free and the model needs {missing / 1e9:.1f} GB more.",
            "Make room on that disk.",
        )


def _resume_point(order: Order, record: dict[str, Any]) -> int:
    """How much of the partial file is on the disk for sure; the rest, which may have holes, is cut off."""
    if record.get("identity") != order.identity or not order.part.exists():
        return 0
    known = min(int(record.get("synced", 0)), order.part.stat().st_size)
    os.truncate(order.part, known)
    return known


def _keep(order: Order, file: BinaryIO, record: dict[str, Any]) -> None:
    """Wait until the partial file is on the disk, and record how long it is."""
    file.flush()
    os.fsync(file.fileno())
    record["synced"] = file.tell()
    _save(order.record, record)


def _receive(
    response: Any, order: Order, file: BinaryIO, record: dict[str, Any], total: int, observe: Observer
) -> None:
    """Append a response to the partial file."""
    resumable = (
        response.status == http.client.PARTIAL_CONTENT or response.headers.get("Accept-Ranges") == "bytes"
    )
    offset = int(record["synced"])
    while offset < total:
        block = _read(response, offset, total)
        if offset == 0 and not block.startswith(MAGIC):
            raise Failure(
                f"{order.shown_url} is no HEF: it starts with {block[:20]!r}.",
                "Is the mirror's address right?",
            )
        file.write(block)
        offset += len(block)
        if offset - record["synced"] >= SYNCED_STEP:
            _keep(order, file, record)
        observe(offset, total, resumable)


def _read(response: Any, offset: int, total: int) -> bytes:
    try:
        block: bytes = response.read(min(CHUNK, total - offset))
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(
            f"The transfer stopped at {offset} of {total} bytes: {error}.", "It goes on from there."
        ) from error
    if not block:
        raise Interrupted(f"The transfer ended at {offset} of {total} bytes.", "It goes on from there.")
    return block


def _load(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _save(path: Path, record: dict[str, Any]) -> None:
    """Record a dictionary at once or not at all, also when the power fails."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(record), encoding="utf-8")
    _sync(new)
    new.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Wait until a file's contents, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
