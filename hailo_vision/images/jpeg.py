"""What has to be known of a JPEG before it is decoded: how many parts it has, and whether it has an end."""

import re

START = b"\xff\xd8\xff"
END = b"\xff\xd9"
# Of two decodings, one with this before the end and one without it, a difference tells that data is missing.
NOISE = bytes(range(0xFF)) * 16

_SOS, _EOI = 0xDA, 0xD9
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
# Within the coded data of a scan, 0xFF 0x00 is a byte of data and 0xFF 0xD0 to 0xD7 restart the decoder.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_PIECE = 256 * 1024  # that is searched at once: a search holds the GIL


def outline(data: bytes, max_scans: int, max_segments: int) -> tuple[int, int, bool]:
    """Follow the markers of a JPEG to its end, or until there are more scans or segments than that.

    Returns:
        The scans before the end, each of which makes the decoder go over the whole image; the segments of any
        kind before it; whether there is an end mark. What comes behind it, such as the film of a motion photo
        or the other images of a stereo camera, is not looked at.
    """
    scans, segments, at = 0, 0, len(START) - 1
    while scans <= max_scans and segments <= max_segments:
        at = _next_marker(data, at)
        if at < 0:
            return scans, segments, False
        marker = data[at + 1]
        at += 2
        if marker == _EOI:
            return scans, segments, True
        segments += 1
        if marker not in _WITHOUT_LENGTH:
            scans += marker == _SOS
            at += int.from_bytes(data[at : at + 2], "big")
    return scans, segments, False


def _next_marker(data: bytes, at: int) -> int:
    """Where the next marker begins, -1 if there is none."""
    while at < len(data):
        found = _MARKER.search(data, at, at + _PIECE + 1)
        if found:
            return found.start()
        at += _PIECE
    return -1
