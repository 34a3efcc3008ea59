"""A PNG's chunks (https://www.w3.org/TR/png-3/#5DataRep).

Pillow reads all of them, and refuses an image for a text or a profile that is long or malformed.
"""

from hailo_vision.errors import Kind, RequestError

START = b"\x89PNG\r\n\x1a\n"
_READ = frozenset({b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"})
_AROUND = 12  # bytes of a chunk's length, kind and sum


def without_metadata(data: bytes, most: int) -> bytes:
    """A PNG without what changes nothing in its frame: texts, profiles, further frames of an animation.

    Args:
        most: chunks that it may have besides those of its pixels.

    Raises:
        RequestError: it has more.
    """
    kept = [START]
    at, others, begin = len(START), 0, len(START)
    while at + _AROUND <= len(data):
        kind = data[at + 4 : at + 8]
        end = at + _AROUND + int.from_bytes(data[at : at + 4], "big")
        others += kind != b"IDAT"
        if others > most:
            raise RequestError(Kind.INVALID_IMAGE, "The image's header has too many parts.")
        if kind not in _READ and end <= len(data):
            kept.append(data[begin:at])
            begin = end
        at = end
    return b"".join([*kept, data[begin:]])
