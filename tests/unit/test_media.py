"""Pictures become frames: shape and layout whatever comes, geometry of each fit, errors for all the rest."""

import base64
import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.pictures import photo, plain

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.decode import decode_inline, is_link, to_frame

SHAPE = (336, 336, 3)
LIMITS = MediaConfig()


def frame(picture: bytes, **config: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return to_frame(picture, SHAPE, "image", MediaConfig(**config))


def outcome(picture: bytes) -> str:
    """ "a frame", or the code of the error."""
    try:
        return "a frame" if frame(picture).shape == SHAPE else "another shape"
    except RequestError as error:
        return error.kind


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.sampled_from(["L", "RGB", "RGBA", "P", "CMYK"]),
    st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP"]),
    st.sampled_from(["letterbox", "crop", "stretch"]),
)
def test_any_picture_gives_a_frame_that_the_bindings_take(
    width: int, height: int, mode: str, image_format: str, fit: str
) -> None:
    image = Image.new("RGB", (width, height), "teal").convert(mode)
    try:
        picture = encoded(image, image_format)
    except (OSError, ValueError):  # the format has no such mode
        picture = encoded(image.convert("RGB"), image_format)
    made = frame(picture, fit=fit)
    assert made.shape == SHAPE
    assert made.dtype == np.uint8
    assert made.flags.c_contiguous
    assert made.flags.writeable
    assert made.flags.owndata


def test_fits() -> None:
    image = Image.new("RGB", (800, 400), "red")
    image.paste("blue", (200, 0, 600, 400))
    picture = encoded(image, "PNG")
    red, blue, black = (255, 0, 0), (0, 0, 255), (0, 0, 0)
    corner, left, middle = (5, 168), (168, 5), (168, 168)

    def colours(fit: str) -> list[tuple[int, ...]]:
        made = frame(picture, fit=fit)
        return [tuple(int(part) for part in made[at]) for at in (corner, left, middle)]

    assert colours("letterbox") == [black, red, blue]
    assert colours("crop") == [blue, blue, blue]
    assert colours("stretch") == [blue, red, blue]


def test_a_jpeg_at_reduced_scale_looks_like_the_whole_one() -> None:
    whole = Image.open(io.BytesIO(photo("coffee"))).resize((4000, 2668))
    reduced = frame(encoded(whole, "JPEG", quality=95)).astype(int)
    slow = frame(encoded(whole, "PNG", compress_level=1)).astype(int)
    assert np.abs(reduced - slow).mean() < 3


def test_sixteen_bits_keep_their_greys() -> None:
    ramp = np.tile(np.linspace(0, 65535, 336, dtype=np.uint16), (336, 1))
    made = frame(encoded(Image.fromarray(ramp), "PNG"))
    assert made[168, 0, 0] < 5
    assert 120 < made[168, 168, 0] < 135
    assert made[168, 335, 0] > 250


def test_half_transparent_is_half_white() -> None:
    made = frame(encoded(Image.new("RGBA", (50, 50), (0, 0, 0, 128)), "PNG"))
    assert tuple(made[168, 168]) == (127, 127, 127)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_a_picture_cut_anywhere_is_a_picture_or_an_error(image_format: str) -> None:
    whole = plain("red", (40, 30), image_format)
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        assert outcome(whole[:length]) in ("a frame", "invalid_image", "unsupported_image_format")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP"]), st.data())
def test_a_spoilt_picture_is_a_picture_or_an_error(image_format: str, data: st.DataObject) -> None:
    spoilt = bytearray(plain("red", (40, 30), image_format))
    for _ in range(data.draw(st.integers(1, 5))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    codes = ("invalid_image", "unsupported_image_format", "image_too_large")
    assert outcome(bytes(spoilt)) in ("a frame", *codes)


@given(st.binary(max_size=200))
def test_bytes_survive_every_spelling(data: bytes) -> None:
    plain_text = base64.b64encode(data).decode()
    spellings = [
        plain_text,
        f"data:image/png;base64,{plain_text}",
        f"DATA:;Base64,{plain_text.rstrip('=')}",
        base64.urlsafe_b64encode(data).decode(),
        "data:image/png;base64," + "\n".join(plain_text),
        "data:image/png," + "".join(f"%{byte:02X}" for byte in data),
    ]
    for spelling in spellings:
        assert decode_inline(spelling, "image", LIMITS) == data


@given(st.text(max_size=80))
def test_any_text_is_data_or_an_error(text: str) -> None:
    with contextlib.suppress(RequestError):
        assert isinstance(decode_inline(text, "image", LIMITS), bytes)


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("http://x/", True),
        (" HTTPS://x", True),
        ("file:///etc/passwd", True),
        ("ftp://x", True),
        ("gopher:/x", True),
        ("data:image/png;base64,AAAA", False),
        ("AAAA", False),
        ("/9j/4AAQ", False),
        ("/etc/passwd", False),
        ("", False),
    ],
)
def test_what_a_link_is(text: str, link: bool) -> None:
    assert is_link(text) is link
