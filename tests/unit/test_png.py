"""What a PNG has besides its pixels."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image
from support.bombs import chunk, png
from support.pictures import plain

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images import decode

SHAPE = (8, 8, 3)
METADATA = {
    "much XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
    "much text": (b"zTXt", b"x\0\0" + zlib.compress(bytes(3_000_000))),
    "a large colour profile": (b"iCCP", b"x\0\0" + zlib.compress(bytes(3_000_000))),
    "a short density": (b"pHYs", b"x"),
    "a short gamma": (b"gAMA", b"x"),
    "a short animation": (b"acTL", b"x"),
}


def frame(data: bytes) -> decode.Frame:
    return decode.to_frame(data, SHAPE, MediaConfig())


@pytest.mark.parametrize("name", METADATA)
@pytest.mark.parametrize("place", ["before", "after"])
def test_what_is_not_read_makes_no_image_broken(name: str, place: str) -> None:
    whole = plain("red", (8, 8))
    at = 33 if place == "before" else len(whole) - 12
    for told in (chunk(*METADATA[name]), chunk(*METADATA[name])[:-1] + b"!"):  # its sum is wrong
        assert np.array_equal(frame(whole[:at] + told + whole[at:]), frame(whole))


def test_the_parts_of_a_header_are_counted() -> None:
    whole = plain("red", (8, 8))
    with pytest.raises(RequestError, match="too many parts"):
        frame(whole[:33] + chunk(b"tEXt", b"") * 6000 + whole[33:])


def test_the_parts_of_the_pixels_are_not() -> None:
    whole = plain("red", (8, 8))
    start, end = whole.index(b"IDAT") - 4, len(whole) - len(chunk(b"IEND", b""))
    parts = b"".join(chunk(b"IDAT", bytes([byte])) for byte in whole[start + 8 : end - 4])
    assert np.array_equal(
        frame(whole[:start] + chunk(b"IDAT", b"") * 6000 + parts + whole[end:]), frame(whole)
    )


def test_a_palette_is_read() -> None:
    red, packed = plain("red", (8, 8)), io.BytesIO()
    Image.open(io.BytesIO(red)).quantize(2).save(packed, "PNG")
    assert b"PLTE" in packed.getvalue()
    assert np.array_equal(frame(packed.getvalue()), frame(red))


@pytest.mark.parametrize(("depth", "value"), [(1, 1), (2, 1), (2, 2), (4, 5), (4, 14)])
def test_the_colour_key_of_a_grey_of_few_bits(depth: int, value: int) -> None:
    pixel = sum(value << shift for shift in range(0, 8, depth))
    rows = zlib.compress((b"\0" + bytes([pixel]) * depth) * 8)
    whole = png((8, 8), depth, 0, (b"tRNS", bytes([0, value])))
    start = whole.index(b"IDAT") - 4
    assert (frame(whole[:start] + chunk(b"IDAT", rows) + chunk(b"IEND", b"")) == 255).all()
