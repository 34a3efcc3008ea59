"""Images become frames: shape and layout whatever comes, geometry of each fit, errors for all the rest."""

import base64
import contextlib
import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from support.bombs import KEY, PALETTE, chunk, png
from support.pictures import DATA, photo, plain

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.decode import to_frame
from hailo_vision.images.inline import decode_inline, is_link

SHAPE = (336, 336, 3)
LIMITS = MediaConfig()


def frame(image: bytes, **config: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return to_frame(image, SHAPE, MediaConfig(**config))


def outcome(image: bytes) -> str:
    """ "a frame", or the code of the error."""
    try:
        return "a frame" if frame(image).shape == SHAPE else "another shape"
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
def test_any_image_gives_a_frame_that_the_bindings_take(
    width: int, height: int, mode: str, image_format: str, fit: str
) -> None:
    image = Image.new("RGB", (width, height), "teal").convert(mode)
    try:
        data = encoded(image, image_format)
    except (OSError, ValueError):  # the format has no such mode
        data = encoded(image.convert("RGB"), image_format)
    made = frame(data, fit=fit)
    assert made.shape == SHAPE
    assert made.dtype == np.uint8
    assert made.flags.c_contiguous
    assert made.flags.writeable
    assert made.flags.owndata


def test_fits() -> None:
    image = Image.new("RGB", (800, 400), "red")
    image.paste("blue", (200, 0, 600, 400))
    data = encoded(image, "PNG")
    red, blue, black = (255, 0, 0), (0, 0, 255), (0, 0, 0)
    corner, left, middle = (5, 168), (168, 5), (168, 168)

    def colours(fit: str) -> list[tuple[int, ...]]:
        made = frame(data, fit=fit)
        return [tuple(int(part) for part in made[at]) for at in (corner, left, middle)]

    assert colours("letterbox") == [black, red, blue]
    assert colours("crop") == [blue, blue, blue]
    assert colours("stretch") == [blue, red, blue]


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1)])
def test_the_thinnest_jpeg_is_a_frame(size: tuple[int, int]) -> None:
    assert frame(plain("teal", size, "JPEG")).shape == SHAPE


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


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "AVIF"])
def test_an_image_cut_anywhere_is_an_image_or_an_error(image_format: str) -> None:
    whole = plain("red", (40, 30), image_format)
    for length in range(12, len(whole), max(1, len(whole) // 60)):
        assert outcome(whole[:length]) in ("a frame", "invalid_image")
    with pytest.raises(RequestError, match="truncated or broken"):
        frame(whole[:16])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP"]), st.data())
def test_a_spoilt_image_is_an_image_or_an_error(image_format: str, data: st.DataObject) -> None:
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
        f"data:undefined;base64,{plain_text}",
        f"data:text/plain;charset=utf-8; base64 ,{plain_text}",
        f"data:image/png;name=a.png; base64,{plain_text.replace('/', '%2F').replace('=', '%3D')}",
        f" \n{plain_text}\r\n",
        f" \ndata:;base64,{plain_text}",
        base64.urlsafe_b64encode(data).decode(),
        "data:image/png;base64," + "\n".join(plain_text),
        "data:image/png," + "".join(f"%{byte:02X}" for byte in data),
    ]
    for spelling in spellings:
        assert decode_inline(spelling, LIMITS) == data


@given(st.text(max_size=80))
def test_any_text_is_data_or_an_error(text: str) -> None:
    with contextlib.suppress(RequestError):
        assert isinstance(decode_inline(text, LIMITS), bytes)


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


@pytest.mark.parametrize("ending", ["", "\n"])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 262143, 262144, 262145, 600_001])
def test_bytes_survive_being_decoded_in_pieces(length: int, ending: str) -> None:
    data = (b"\xfb\xff\x00 image " * (length // 10 + 1))[:length]
    text = base64.b64encode(data).decode()
    lines = "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + ending
    escaped = "".join(f"%{byte:02x}" for byte in data)
    safe = base64.urlsafe_b64encode(data).decode().rstrip("=")
    for spelling in (text, lines, safe, f"data:,{escaped}", "data:;base64," + text.replace("/", "%2f")):
        assert decode_inline(spelling, LIMITS) == data


@pytest.mark.parametrize("text", ["A", "AAAAA", "AA=A", "data:x/y;base64", "data:;base64,A*==", "C:\\a.jpg"])
def test_what_is_no_base64_is_told(text: str) -> None:
    with pytest.raises(
        RequestError, match="Expected an image as a data URI, base64 text, or a link"
    ) as caught:
        decode_inline(text, LIMITS)
    assert caught.value.kind == "invalid_image"


@pytest.mark.parametrize("spelling", ["data:,{0}", "data:;base64,{1}", "{1}"])
def test_bytes_are_counted_while_they_are_decoded(spelling: str) -> None:
    text = spelling.format("%00" * 1001, base64.b64encode(bytes(1001)).decode())
    assert len(decode_inline(text, MediaConfig(max_image_bytes=1001))) == 1001
    with pytest.raises(RequestError, match="larger than 1000 bytes"):
        decode_inline(text, MediaConfig(max_image_bytes=1000))


@pytest.mark.parametrize("size", [(1, 49_900_000), (49_900_000, 1), (65_536, 1), (7100, 7100)])
def test_sides_are_limited_as_well_as_areas(size: tuple[int, int]) -> None:
    whole = png((1, 1), 8, 3, PALETTE, KEY)
    header = whole[:8] + chunk(b"IHDR", to_bytes(size) + b"\x08\x03\0\0\0") + whole[33:]
    with pytest.raises(RequestError, match=rf"{size[0]} x {size[1]} pixels.* 65535 on a side") as caught:
        frame(header)
    assert caught.value.kind == "image_too_large"


def to_bytes(size: tuple[int, int]) -> bytes:
    return size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")


def test_an_image_above_pillows_own_limit_is_told_as_too_large() -> None:
    whole = png((1, 1), 8, 3, PALETTE, KEY)
    header = whole[:8] + chunk(b"IHDR", to_bytes((20_000, 20_000)) + b"\x08\x03\0\0\0") + whole[33:]
    assert outcome(header) == "image_too_large"


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\1\0", "ICO"),
        (b"P6 ", "PNM"),
        (b"II+\0", "TIFF"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg>", "SVG"),
    ],
)
def test_a_format_that_is_not_read_is_named(start: bytes, name: str) -> None:
    with pytest.raises(RequestError, match=rf"not read here \({name}\); supported are JPEG"):
        frame(start + bytes(50))


@pytest.mark.parametrize("image_format", ["WEBP", "AVIF"])
def test_formats_that_hold_the_event_loop_have_a_limit_of_their_own(image_format: str) -> None:
    assert outcome(encoded(Image.new("RGB", (4001, 4000)), image_format)) == "image_too_large"


def test_the_largest_image_within_a_heic_counts() -> None:
    heic = (DATA / "coffee.heic").read_bytes()
    assert outcome(heic) == "a frame"
    large = to_bytes((30_000, 30_000))
    overlapped = b"ispe" + bytes(7) + b"\0\0\0\x14"  # reads as an entry of 0 x 5225 up to the next one's "i"
    for entry in (b"ispe" + bytes(4), b"ispe\0\0\0\1", overlapped + b"ispe" + bytes(4)):
        assert outcome(heic + struct.pack(">I", 8 + len(entry + large)) + b"free" + entry + large) == (
            "image_too_large"
        )


def test_a_heic_is_read_and_turned_once() -> None:
    """As a phone stores it: turned, with the turn told by the container and once more by EXIF."""
    made = frame((DATA / "coffee.heic").read_bytes()).astype(int)
    upright = frame(photo("coffee")).astype(int)
    assert np.abs(made - upright).mean() < 8


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((37, 20), (336, 336)),
        ((1000, 298), (336, 336)),
        ((1400, 1350), (336, 336)),
        ((65_535, 5), (336, 336)),
        ((3, 9000), (336, 336)),
        ((800, 600), (512, 288)),
        ((300, 1400), (512, 288)),
    ],
)
def test_frames_are_as_pillow_makes_them(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Turned, fitted and averaged strip by strip, they look as if it had been done to the whole."""
    smooth = Image.open(io.BytesIO(photo("coffee"))).convert("RGB").resize(size)
    upright = encoded(smooth, "PNG", compress_level=1)
    bicubic = Image.Resampling.BICUBIC
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = upright[:33] + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + upright[33:]
        whole = ImageOps.exif_transpose(Image.open(io.BytesIO(image)))
        expected: dict[Any, Image.Image] = {
            "letterbox": ImageOps.pad(whole, wanted, bicubic),
            "crop": ImageOps.fit(whole, wanted, bicubic),
            "stretch": whole.resize(wanted, bicubic),
        }
        for fit, frame_of_whole in expected.items():
            made = to_frame(image, (wanted[1], wanted[0], 3), MediaConfig(fit=fit))
            difference = np.abs(made.astype(int) - np.asarray(frame_of_whole).astype(int)).mean()
            assert difference < 2, (orientation, fit)


def tagged(*entries: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """EXIF data of tags, types, counts and values."""
    head = b"Exif\0\0" + {"<": b"II*\0\x08\0\0\0", ">": b"MM\0*\0\0\0\x08"}[order]
    packed = (struct.pack(f"{order}HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries)
    return head + struct.pack(f"{order}H", len(entries)) + b"".join(packed) + bytes(4)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as the service does, to which pytest objects
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "odd",
    [
        (0x010F, 2, 500, b"\xff\xff\xff\x7f"),  # a text far behind the end
        (0x010E, 99, 1, b"abcd"),  # a type that there is none of
        (0x0110, 5, 1, b"\0\0\0\0"),  # a fraction over the header
        (0x0111, 2, 2**31, b""),
        (0x0100, 3, 1, b"\x06\x06"),  # the width
    ],
)
def test_the_orientation_is_read_whatever_else_exif_holds(
    odd: tuple[int, int, int, bytes], order: str
) -> None:
    exif = tagged(odd, (0x0112, 3, 1, struct.pack(f"{order}H", 3)), order=order)
    for image_format in ("JPEG", "PNG", "WEBP"):
        up = frame(encoded(halves(), image_format, quality=95)).astype(int)
        down = frame(encoded(halves().rotate(180), image_format, quality=95, exif=exif)).astype(int)
        assert np.abs(up - down).mean() < 2


def test_the_orientation_may_stand_behind_the_pixels() -> None:
    down = encoded(halves().rotate(180), "PNG")
    exif = tagged((0x0112, 3, 1, b"\x03")).removeprefix(b"Exif\0\0")
    turned = frame(down[:-12] + chunk(b"eXIf", exif) + down[-12:])
    assert np.array_equal(turned, frame(encoded(halves(), "PNG")))


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", tagged((0x0112, 3, 1, b"\x09"))]
)
def test_an_orientation_that_is_none_turns_nothing(exif: bytes) -> None:
    assert np.array_equal(frame(encoded(halves(), "PNG", exif=exif)), frame(encoded(halves(), "PNG")))


def halves() -> Image.Image:
    image = Image.new("RGB", (80, 60), "red")
    image.paste("blue", (40, 0, 80, 60))
    return image


@pytest.mark.parametrize(
    ("depth", "colour", "key"),
    [
        (1, 0, b"\0\0"),
        (2, 0, b"\0\0"),
        (4, 0, b"\0\0"),
        (8, 0, b"\0\0"),
        (16, 0, b"\0\0"),
        (8, 2, bytes(6)),
        (16, 2, bytes(6)),
        (8, 3, b"\0"),
    ],
)
def test_a_colour_that_stands_for_transparent_is_white(depth: int, colour: int, key: bytes) -> None:
    palette = [PALETTE] if colour == 3 else []
    assert (frame(png((8, 8), depth, colour, *palette, (b"tRNS", key))) == 255).all()
    other = b"\xff" if colour == 3 else (b"\x01\0" if depth == 16 else b"\0\x01") * (len(key) // 2)
    assert (frame(png((8, 8), depth, colour, *palette, (b"tRNS", other))) == 0).all()


def test_a_key_of_sixteen_bits_is_compared_with_the_pixels() -> None:
    deep = np.full((40, 40), 0x1234, np.uint16)
    deep[:, 20:] = 0x8000
    image = encoded(Image.fromarray(deep), "PNG")
    made = frame(image[:33] + chunk(b"tRNS", b"\x12\x34") + image[33:])
    assert (made[:, :150] == 255).all()
    assert (made[:, 200:] == 0x80).all()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True, "subsampling": 0}])
def test_a_jpeg_that_lacks_only_its_end_mark_is_whole(options: dict[str, Any]) -> None:
    whole = encoded(Image.open(io.BytesIO(photo("coffee"))), "JPEG", **options)
    assert np.array_equal(frame(whole[:-2]), frame(whole))
    assert np.array_equal(frame(whole[:-2] + bytes(100)), frame(whole))
    for missing in (0.02, 0.3, 0.8):
        assert outcome(whole[: int(len(whole) * (1 - missing))]) == "invalid_image"


def test_what_comes_behind_the_end_of_a_jpeg_does_not_matter() -> None:
    whole = encoded(halves(), "JPEG", progressive=True)
    film = b"\xff\xda\x00\x02" * 1000 + bytes(3_000_000)
    assert np.array_equal(frame(whole + film), frame(whole))


def test_scans_are_counted_whatever_hides_them() -> None:
    whole = encoded(halves(), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    many = whole[:-2] + whole[last:-2] * 120 + whole[-2:]
    thumbnail = b"\xff\xe1" + (2 + len(whole)).to_bytes(2, "big") + whole  # has an end mark of its own
    series = b"\xff\xe2\x00\x06MPF\0"
    assert outcome(whole[:2] + thumbnail + whole[2:]) == "a frame"
    for hidden in (
        many,
        many[:2] + thumbnail + many[2:],
        many[:2] + series + many[2:],
        many[:2] + b"x" + many[2:],
    ):
        assert outcome(hidden) == "invalid_image"
    assert outcome(many[:-2]) == "invalid_image"
