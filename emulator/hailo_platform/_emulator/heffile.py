"""Stand-in HEF files: made by the command in hef.py, checked on load.

A stand-in begins as a real one does: magic 0x01484546, format version, length of the description, its
digest, length of what follows, 56 bytes in all (hef_internal.hpp of hailo-ai/hailort, version 3), then the
description with the text `sdk-version: X.Y.Z`. Where a real one holds networks there is padding.
"""

import hashlib
import json
import struct
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hailo_platform._emulator.errors import Status, failure

MAGIC = 0x01484546
HEADER = struct.Struct(">IIIQQ28x")
_FORMAT = 3
_DESCRIPTION_AREA = 4096


@dataclass(frozen=True)
class HefInfo:
    """What a stand-in says of itself. `arch` is a device architecture, e.g. "HAILO10H".

    `whole` is found on reading: False if a part of the networks is missing.
    """

    model: str
    sdk_version: str
    arch: str
    genai: bool
    whole: bool = True


def make(path: Path, info: HefInfo, size: int) -> None:
    """Write a stand-in of `size` bytes; the same arguments give the same bytes."""
    text = f"sdk-version: {info.sdk_version}\n{json.dumps(asdict(info), sort_keys=True)}\n".encode()
    area = text.ljust(_DESCRIPTION_AREA, b"\0")
    remaining = max(0, size - HEADER.size - len(area))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(HEADER.pack(MAGIC, _FORMAT, len(area), _digest(area), remaining))
        file.write(area)
        counter = 0
        while remaining > 0:
            block = hashlib.shake_128(f"{info}{counter}".encode()).digest(min(remaining, 1 << 16))
            file.write(block)
            remaining -= len(block)
            counter += 1


def check(model_path: str, runtime: tuple[int, ...]) -> HefInfo:
    """Read a stand-in as library and chip read a HEF, and return what it says of itself.

    Raises the native status exception. The client's: 6 no path, 13 missing, 14 a folder, a file too short
    for its header or (5.2.0) shorter than the header says, 92 no format version 3, 91 a damaged description
    (which with 5.1.1 the chip notices). The chip's: 92 without the magic, 93 another architecture, 8 no
    language model in it, 6 newer than the runtime. 5.1.1 does not notice that a part of the networks is
    missing.
    """
    head, length = _head(model_path)
    if len(head) < HEADER.size:
        raise failure(Status.FILE_OPERATION_FAILURE)
    magic, version, described, digest, rest = HEADER.unpack_from(head)
    looks_closely = runtime >= (5, 2)
    if version < _FORMAT or (version != _FORMAT and not looks_closely):
        raise failure(Status.HEF_NOT_SUPPORTED)
    whole = length >= HEADER.size + described + rest
    if looks_closely and not whole:
        raise failure(Status.FILE_OPERATION_FAILURE)
    area = head[HEADER.size : HEADER.size + described]
    if digest != _digest(area):
        raise failure(Status.HEF_FILE_CORRUPTED)
    if magic != MAGIC:
        raise failure(Status.HEF_NOT_SUPPORTED)
    info = replace(_described(area), whole=whole)
    if info.arch != "HAILO10H":
        raise failure(Status.HEF_NOT_COMPATIBLE_WITH_DEVICE)
    if not info.genai:
        raise failure(Status.INTERNAL_FAILURE)
    if tuple(int(part) for part in info.sdk_version.split(".")) > runtime:
        raise failure(Status.INVALID_OPERATION)
    return info


def _head(model_path: str) -> tuple[bytes, int]:
    """Header and description, and the file's length in bytes."""
    if not model_path:
        raise failure(Status.INVALID_OPERATION)
    path = Path(model_path)
    if path.is_dir():
        raise failure(Status.FILE_OPERATION_FAILURE)
    try:
        with path.open("rb") as file:
            return file.read(HEADER.size + _DESCRIPTION_AREA), path.stat().st_size
    except OSError:
        raise failure(Status.OPEN_FILE_FAILURE) from None


def _digest(area: bytes) -> int:
    return int.from_bytes(hashlib.sha256(area).digest()[:8])


def _described(area: bytes) -> HefInfo:
    try:
        _, line, *_ = area.rstrip(b"\0").decode().splitlines()
        return HefInfo(**json.loads(line))
    except (ValueError, TypeError):
        raise failure(Status.HEF_FILE_CORRUPTED) from None
