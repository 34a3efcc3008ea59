"""Stand-in HEF files: made by the command in hef.py, checked on load.

A stand-in begins as a real one does (magic 0x01484546, the text `sdk-version: X.Y.Z` within the first
200 KB) and holds, where a real one holds networks, incompressible padding and a line of JSON about itself.
"""

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path

from hailo_platform._emulator.errors import Status, failure

MAGIC = 0x01484546
_HEADER = struct.Struct(">IIQ")
_FORMAT = 3
_DESCRIPTION_AREA = 4096


@dataclass(frozen=True)
class HefInfo:
    """What a stand-in says of itself. `arch` is a device architecture, e.g. "HAILO10H"."""

    model: str
    sdk_version: str
    arch: str
    genai: bool


def make(path: Path, info: HefInfo, size: int) -> None:
    """Write a stand-in of `size` bytes; the same arguments give the same bytes."""
    text = f"sdk-version: {info.sdk_version}\n{json.dumps(asdict(info), sort_keys=True)}\n".encode()
    area = text.ljust(_DESCRIPTION_AREA, b"\0")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(_HEADER.pack(MAGIC, _FORMAT, max(size, _HEADER.size + len(area))))
        file.write(area)
        remaining = size - _HEADER.size - len(area)
        counter = 0
        while remaining > 0:
            block = hashlib.shake_128(f"{info}{counter}".encode()).digest(min(remaining, 1 << 16))
            file.write(block)
            remaining -= len(block)
            counter += 1


def check(model_path: str, runtime: tuple[int, ...]) -> HefInfo:
    """Read a stand-in as the chip reads a HEF and return what it says of itself.

    Raises the native status exception: 13 missing or a directory, 14 truncated, 26 not a HEF,
    92 no GenAI model, 93 for another architecture, 6 newer than the runtime.
    """
    path = Path(model_path)
    if not path.is_file():
        raise failure(Status.OPEN_FILE_FAILURE)
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size + _DESCRIPTION_AREA)
    except OSError:
        raise failure(Status.OPEN_FILE_FAILURE) from None
    if len(head) < _HEADER.size:
        raise failure(Status.FILE_OPERATION_FAILURE if head else Status.INVALID_HEF)
    magic, _, size = _HEADER.unpack_from(head)
    if magic != MAGIC:
        raise failure(Status.INVALID_HEF)
    if path.stat().st_size < size or len(head) < _HEADER.size + _DESCRIPTION_AREA:
        raise failure(Status.FILE_OPERATION_FAILURE)
    info = _described(head[_HEADER.size :])
    if info.arch != "HAILO10H":
        raise failure(Status.HEF_NOT_COMPATIBLE_WITH_DEVICE)
    if not info.genai:
        raise failure(Status.HEF_NOT_SUPPORTED)
    if tuple(int(part) for part in info.sdk_version.split(".")) > runtime:
        raise failure(Status.INVALID_OPERATION)
    return info


def _described(area: bytes) -> HefInfo:
    try:
        _, line, *_ = area.rstrip(b"\0").decode().splitlines()
        return HefInfo(**json.loads(line))
    except (ValueError, TypeError):
        raise failure(Status.HEF_FILE_CORRUPTED) from None
