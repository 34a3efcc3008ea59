"""A compiled model (HEF): what its header says, and where it is looked for.

The script that fetches models runs this very file on hosts where no release is installed yet
(roles/hailo_model/files/hef.py links to it): the standard library only, nothing of this package.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

MAGIC = bytes.fromhex("01484546")
HEADER_BYTES = 200_000
OLDEST_FORMAT = 3  # HailoRT 5.1.1 reads format 3 alone, 5.2.0 also later ones

_HEADER = struct.Struct(">IIIQQIQ16x")
_FORMAT_WITH_SIZES = 3


def has_magic(path: Path) -> bool:
    """Whether a file begins as every HEF does."""
    return _head(path).startswith(MAGIC)


def format_version(path: Path) -> int:
    """The format that a file's header names, 0 if it is too short."""
    return int.from_bytes(_head(path)[4:8])


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
    """The file at that path, or the one of that name, else the model's, in resources_dir; None if missing."""
    if hef_path is not None and "/" in hef_path:
        return Path(hef_path) if os.path.exists(hef_path) else None
    try:
        candidates = sorted(Path(resources_dir).iterdir())
    except OSError:
        return None
    name = (hef_path or model_name).lower().removesuffix(".hef")
    for candidate in candidates:
        if candidate.suffix == ".hef" and candidate.stem.lower() == name:
            return candidate
    return None


def read_head(path: Path, size: int = HEADER_BYTES) -> bytes:
    """The first bytes of a file; none of what is no file, such as a pipe, which is not waited for.

    Raises:
        OSError: it can't be read.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        return file.read(size) if path.is_file() else b""


def _head(path: Path) -> bytes:
    try:
        return read_head(path)
    except OSError:
        return b""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
