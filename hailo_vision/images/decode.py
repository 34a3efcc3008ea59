"""Pictures: from what a client sends to the frame that the model sees.

Formats are told by content, never by what a data URI claims. Everything about a picture that can be
refused is refused before its pixels are decoded.
"""

import binascii
import io
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from hailo_vision.config import MediaConfig
from hailo_vision.errors import Kind, RequestError

Frame = NDArray[np.uint8]
Fit = Literal["letterbox", "crop", "stretch"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", *(("AVIF",) if features.check("avif") else ()))
# What people send besides, by the first bytes: worth a clearer word than "no image".
_OTHER_FORMATS = (
    ("SVG", re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE[^>]*>\s*)?<svg", re.DOTALL)),
    ("HEIC", re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL)),
    ("AVIF", re.compile(rb".{4}ftypavi", re.DOTALL)),
    ("TIFF", re.compile(rb"II\*\x00|MM\x00\*")),
    ("JPEG 2000", re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51")),
    ("PDF", re.compile(rb"%PDF")),
    ("video", re.compile(rb".{4}ftyp|\x1aE\xdf\xa3", re.DOTALL)),
)
_SNIFFED = 1024
# Pictures of more pixels are decoded one at a time: one of 50 million takes up to 800 MB.
_LARGE_PIXELS = 16_000_000
_one_large = threading.Lock()
# Each scan of a progressive JPEG goes over the whole picture, and an empty one takes a dozen bytes.
_START_OF_SCAN = b"\xff\xda"
_MAX_SCANS = 100
_PIECE = 256 * 1024  # of a text or of bytes that are gone through in Python; four characters are three bytes
_DATA_URI = re.compile(r"data:(?P<type>[^,;]*)(?P<parameters>(?:;[^,;]*)*),", re.IGNORECASE)
_LINK = re.compile(r"\s*[a-z][a-z0-9+.-]{0,19}:/", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")
_WHITESPACE = re.compile(r"\s+")


def is_link(source: str) -> bool:
    """Whether a picture is named by a URL of another scheme than data:, and not given as data."""
    return _LINK.match(source) is not None


def decode_inline(source: str, where: str, limits: MediaConfig) -> bytes:
    """The bytes of a data URI or of bare base64.

    Raises:
        RequestError: they are neither, of another type than a picture, or too many.
    """
    source, start = source.strip(), 0
    match = _DATA_URI.match(source)
    if match:
        start = match.end()
        media_type = match["type"].strip().lower()
        if media_type and not media_type.startswith("image/") and media_type != "application/octet-stream":
            raise RequestError(
                Kind.UNSUPPORTED_IMAGE_FORMAT, "Expected a data URI of an image type.", where=where
            )
        if ";base64" not in match["parameters"].lower():
            return _within(urllib.parse.unquote_to_bytes(source[start:]), where, limits)
        if "%" in source:
            source, start = urllib.parse.unquote(source[start:]), 0
    return _within(_decode_base64(source, start, where, limits), where, limits)


def _decode_base64(text: str, start: int, where: str, limits: MediaConfig) -> bytes:
    if len(text) - start > limits.max_image_bytes * 3 // 2:
        raise _too_large(where, limits)
    try:
        # Several times as fast as binascii. It holds the GIL: between pieces the event loop gets its turn,
        # and nothing goes over the whole at once.
        data = io.BytesIO()
        for at in range(start, len(text), _PIECE):
            data.write(msgspec.convert(text[at : at + _PIECE], bytes))
        return data.getvalue()
    except msgspec.ValidationError:
        pass
    # Tolerated: line breaks, the URL-safe alphabet, and missing padding.
    digits = _WHITESPACE.sub("", text[start:]).translate(_URL_SAFE).rstrip("=")
    try:
        return binascii.a2b_base64(digits + "=" * (-len(digits) % 4), strict_mode=True)
    except ValueError as error:
        raise RequestError(
            Kind.INVALID_IMAGE,
            "Expected an image as a data URI or base64 text; this is no valid base64.",
            where=where,
        ) from error


def _within(data: bytes, where: str, limits: MediaConfig) -> bytes:
    if len(data) > limits.max_image_bytes:
        raise _too_large(where, limits)
    return data


def _too_large(where: str, limits: MediaConfig) -> RequestError:
    return RequestError(
        Kind.IMAGE_TOO_LARGE, f"The image is larger than {limits.max_image_bytes} bytes.", where=where
    )


def to_frame(data: bytes, shape: tuple[int, int, int], where: str, limits: MediaConfig) -> Frame:
    """Decode a picture into a frame: uint8 RGB of the given (height, width, 3), contiguous and writable.

    EXIF orientation is applied, transparency is laid on white, an animation gives its first frame.

    Raises:
        RequestError: the bytes are no picture of a supported format, broken, or too many pixels.
    """
    height, width, _ = shape
    with _reporting(data, where):
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > limits.max_image_pixels:
            raise RequestError(
                Kind.IMAGE_TOO_LARGE,
                f"The image has {image.width} x {image.height} pixels; "
                f"{limits.max_image_pixels} are allowed.",
                where=where,
            )
        if image.format == "JPEG" and _scans(data) > _MAX_SCANS:
            raise RequestError(Kind.INVALID_IMAGE, "The JPEG has too many scans.", where=where)
        with _one_large if image.width * image.height > _LARGE_PIXELS else nullcontext():
            image.draft(None, _enough(image.size, max(width, height), limits.fit))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            fitted = _fit(_to_rgb(image, max(2 * width, 2 * height)), width, height, limits.fit)
    return np.array(fitted, dtype=np.uint8, order="C")


def _enough(size: tuple[int, int], side: int, fit: Fit) -> tuple[int, int]:
    """The size at which a JPEG has to be decoded, of its whole, 1/2, 1/4 and 1/8: from half as much again as
    the frame shows of it, the resize is sharp."""
    scale = 1.5 * side / (max(size) if fit == "letterbox" else min(size))
    return (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def _scans(data: bytes) -> int:
    """At least as many as the JPEG has. NumPy counts without the GIL, bytes.count() would hold it."""
    octets = np.frombuffer(data, np.uint8)
    pieces = (octets[at : at + _PIECE + 1] for at in range(0, len(data), _PIECE))
    return sum(
        int(np.count_nonzero((piece[:-1] == _START_OF_SCAN[0]) & (piece[1:] == _START_OF_SCAN[1])))
        for piece in pieces
    )


@contextmanager
def _reporting(data: bytes, where: str) -> Iterator[None]:
    """Any failure of the decoder is the picture's: told without the decoder's own words, which may
    hold addresses (CVE-2026-22778 in vLLM)."""
    try:
        yield
    except RequestError:
        raise
    except UnidentifiedImageError as error:
        raise _unidentified(data, where) from error
    except Exception as error:
        raise RequestError(Kind.INVALID_IMAGE, "The image is truncated or broken.", where=where) from error


def _unidentified(data: bytes, where: str) -> RequestError:
    supported = f"supported are {', '.join(FORMATS)}"
    start = data[:_SNIFFED]
    for name, signature in _OTHER_FORMATS:
        if signature.match(start):
            return RequestError(
                Kind.UNSUPPORTED_IMAGE_FORMAT,
                f"The image is of a format that is not read here ({name}); {supported}.",
                where=where,
            )
    return RequestError(Kind.INVALID_IMAGE, f"The bytes are no image; {supported}.", where=where)


def _to_rgb(image: Image.Image, enough: int) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips 16-bit grey at 255 when it converts; the high byte is the picture.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode == "RGB":
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    if max(image.size) > enough:
        if image.mode != "RGBA":
            image = image.convert("RGBA")
        image.thumbnail((enough, enough), reducing_gap=2.0)
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _fit(image: Image.Image, width: int, height: int, fit: Fit) -> Image.Image:
    method = Image.Resampling.BICUBIC
    if fit == "stretch":
        return image.resize((width, height), method, reducing_gap=2.0)
    if fit == "crop":
        return ImageOps.fit(image, (width, height), method)
    scale = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(size, method, reducing_gap=2.0)
    canvas = Image.new("RGB", (width, height))
    canvas.paste(resized, ((width - size[0]) // 2, (height - size[1]) // 2))
    return canvas
