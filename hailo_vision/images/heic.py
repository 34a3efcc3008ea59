"""HEIC, the iPhone's format, read by libheif."""

import io
import math
import re
import struct

from PIL import ImageFile

SIGNATURE = re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL)
# The sizes of all images in a file, be they parts, transparency or thumbnails (ISO/IEC 23008-12, 6.5.3).
# libheif decodes none that is larger than its entry, whose flags it does not look at. What looks like an
# entry may overlap one.
_SIZE = re.compile(rb"ispe(?=\x00.{3}(.{8}))", re.DOTALL)

# libheif reads all boxes of the top level, with the GIL held. Phones write three, and some more for a film.
_MAX_BOXES = 1000
_LARGE, _TO_THE_END = 1, 0  # sizes that are none (ISO/IEC 14496-12, 4.2)


def open_heic(data: bytes) -> ImageFile.ImageFile:
    """Read the header; the pixels are decoded when the image is loaded.

    Raises:
        SyntaxError: the file is broken.
    """
    at = boxes = 0
    while at < len(data) and boxes <= _MAX_BOXES:
        size, large = struct.unpack(">I4xQ", data[at : at + 16].ljust(16, b"\0"))
        at += len(data) if size == _TO_THE_END else max(8, large if size == _LARGE else size)
        boxes += 1
    if boxes > _MAX_BOXES:
        raise SyntaxError("too many boxes")
    # Imported when the first one comes: it takes 2 MB, and many services never see one.
    from pi_heif import HeifImageFile, options

    options.DECODE_THREADS = 1
    image: ImageFile.ImageFile = HeifImageFile(io.BytesIO(data))
    return image


def largest(data: bytes) -> tuple[int, int]:
    """Width and height of the largest image within a file, (0, 0) if there is none."""
    sizes = (struct.unpack(">II", entry[1]) for entry in _SIZE.finditer(data))
    return max(sizes, key=math.prod, default=(0, 0))
