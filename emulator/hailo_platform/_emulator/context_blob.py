"""The bytes of save_context: a header, the session's state, and as many bytes as the KV buffers take.

Form after hailort_server/genai/llm/context_structure.hpp of hailo-ai/hailort; the content is the emulator's.
"""

import hashlib
import pickle
import struct

from hailo_platform._emulator.errors import Status, failure
from hailo_platform._emulator.session import Session

_MAGIC = 0x01484546
_HEADER = struct.Struct(">II32s32sQ")
_PROTOCOL = 1
# 28 layers, 2048 cells, keys and values of 256 bytes at 8 bits.
_KV_BYTES = 28 * 2048 * 2 * 256


def _head(session: Session, version: str, size: int) -> bytes:
    model = hashlib.sha256(session.engine.identity.encode()).digest()
    return _HEADER.pack(_MAGIC, _PROTOCOL, version.encode().ljust(32, b"\0"), model, size)


def pack(session: Session, version: str) -> bytes:
    """The context of a session as bytes, about 29 MB whatever it holds."""
    payload = pickle.dumps(session.export())
    return _head(session, version, len(payload)) + payload + bytes(_KV_BYTES)


def unpack(session: Session, version: str, blob: bytes) -> None:
    """Restore a session. Raises status 2 if the bytes are of another model, version or length."""
    if len(blob) < _HEADER.size:
        raise failure(Status.INVALID_ARGUMENT)
    size = _HEADER.unpack_from(blob)[-1]
    if blob[: _HEADER.size] != _head(session, version, size) or len(blob) != _HEADER.size + size + _KV_BYTES:
        raise failure(Status.INVALID_ARGUMENT)
    snapshot, history, prefix = pickle.loads(blob[_HEADER.size : _HEADER.size + size])
    session.restore(snapshot, history, prefix)
