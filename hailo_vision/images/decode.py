"""Decodes the bytes of an image into the frame that the model gets.

The content tells the format. What the header shows to be too large is refused before any pixel is decoded.
Only the decoder's own output ever holds the whole image: everything after it is done strip by strip, on the
way to a size near the frame's.
"""

import io
import math
import re
import struct
import threading
from contextlib import nullcontext
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError, features
from PIL.JpegImagePlugin import JpegImageFile

from hailo_vision.config import MediaConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.images import heic, jpeg, png

Frame = NDArray[np.uint8]
Fit = Literal["letterbox", "crop", "stretch"]

_PILLOWS_FORMATS = ("PNG", "WEBP", "GIF", "BMP", *(("AVIF",) if features.check("avif") else ()))
FORMATS = ("JPEG", *_PILLOWS_FORMATS, "HEIC")
# Formats that people send, by their first bytes, so that the error can name them.
_SIGNATURES = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("WEBP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("BMP", re.compile(rb"BM.{4}\x00{4}", re.DOTALL)),
    (
        "SVG",
        re.compile(
            rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE[^>]*>\s*)?<svg", re.DOTALL
        ),
    ),
    ("AVIF", re.compile(rb".{4}ftypavi", re.DOTALL)),
    ("TIFF", re.compile(rb"II[*+]\x00|MM\x00[*+]")),
    ("JPEG XL", re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL ")),
    ("ICO", re.compile(rb"\x00\x00[\x01\x02]\x00")),
    ("PNM", re.compile(rb"P[1-7]\s")),
    ("Photoshop", re.compile(rb"8BPS")),
    ("JPEG 2000", re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51")),
    ("PDF", re.compile(rb"%PDF")),
    ("video", re.compile(rb".{4}ftyp|\x1aE\xdf\xa3", re.DOTALL)),
)
_SNIFFED = 1024
# A row costs memory however short it is, so sides are limited as well as areas: to a JPEG's.
_MAX_SIDE = 65_535
# Formats in which a pixel costs more. What Pillow decodes of WebP and AVIF, four bytes a pixel, it copies
# with the GIL held: 64 MB take 30 ms, in which the loop stands still. libheif takes up to 20 bytes a pixel.
_MAX_PIXELS = {"WEBP": 16_000_000, "AVIF": 16_000_000, "HEIF": 25_000_000}
# Images of more pixels are decoded one at a time.
_LARGE_PIXELS = 16_000_000
_one_large = threading.Lock()
_STRIP_PIXELS = 500_000
# Each scan of a progressive JPEG goes over the whole image, and an empty one takes a dozen bytes.
_MAX_SCANS = 100
# Millions of empty segments, chunks or blocks fit a file, and Pillow goes through those of the header in
# Python, with a few reads each. Photographs have some hundreds.
_MAX_PARTS = 5000
_MAX_READS = 4 * _MAX_PARTS
# What a step of a PNG's grey of few bits is in the eight that Pillow makes of them.
_GREY_STEPS = {"L;2": 85, "L;4": 17}
# Pillow refuses more than 179 megapixels without telling sizes; the limits here come before any pixel.
Image.MAX_IMAGE_PIXELS = None
# By the EXIF orientation: how the pixels have to be turned.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPING = (5, 6, 7, 8)  # those that exchange width and height
_EXIF_SHORT = 3
_BROKEN = "The image is truncated or broken."


def to_frame(data: bytes, shape: tuple[int, int, int], limits: MediaConfig) -> Frame:
    """Decode an image into a frame: uint8 RGB of the given (height, width, 3), contiguous and writable.

    EXIF orientation is applied, transparency is laid on white, an animation gives its first frame.

    Raises:
        RequestError: the bytes are no image of a supported format, broken, or too many pixels.
    """
    try:
        return _to_frame(data, shape, limits)
    except RequestError:
        raise
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except Exception as error:
        # Without the decoder's own words, which may hold addresses (CVE-2026-22778 in vLLM).
        raise RequestError(Kind.INVALID_IMAGE, _BROKEN) from error


def _to_frame(data: bytes, shape: tuple[int, int, int], limits: MediaConfig) -> Frame:
    if not data.startswith(jpeg.START):
        return _decode(data, shape, limits)
    scans, segments, ended = jpeg.outline(data, _MAX_SCANS, _MAX_PARTS)
    if scans > _MAX_SCANS or segments > _MAX_PARTS:
        message = f"The JPEG has more than {_MAX_SCANS} scans or {_MAX_PARTS} segments."
        raise RequestError(Kind.INVALID_IMAGE, message)
    if ended:
        return _decode(data, shape, limits)
    # Some cameras leave out the end mark, which does no harm. If more is missing, the frame depends on
    # what is put there instead.
    frame = _decode(data + jpeg.END, shape, limits)
    if not np.array_equal(frame, _decode(data + jpeg.NOISE + jpeg.END, shape, limits)):
        raise RequestError(Kind.INVALID_IMAGE, _BROKEN)
    return frame


class _Reader(io.BytesIO):
    """Image data of which so many more reads are allowed."""

    left: float = _MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise RequestError(Kind.INVALID_IMAGE, "The image's header has too many parts.")
        return super().read(size)


def _decode(data: bytes, shape: tuple[int, int, int], limits: MediaConfig) -> Frame:
    height, width, _ = shape
    image = _open(data)
    with _one_large if _pixels(image, data, limits) > _LARGE_PIXELS else nullcontext():
        image.draft(None, _enough(image.size, max(width, height), limits.fit))
        image.load()
        return np.array(_framed(image, width, height, limits.fit), dtype=np.uint8, order="C")


def _open(data: bytes) -> ImageFile.ImageFile:
    if data.startswith(png.START):
        data = png.without_metadata(data, _MAX_PARTS)
    reader = _Reader(data)
    try:
        if data.startswith(jpeg.START):
            return JpegImageFile(reader)  # Image.open() would look for more images behind it
        image = Image.open(reader, formats=_PILLOWS_FORMATS)
    except UnidentifiedImageError:
        if heic.SIGNATURE.match(data):
            return heic.open_heic(data)
        raise
    finally:
        reader.left = math.inf  # the pixels of a BMP take as many as they are
    key = image.info.get("transparency")
    if isinstance(key, tuple) and any(";16" in str(tile.args) for tile in image.tile):
        image.info["transparency"] = tuple(part >> 8 for part in key)  # as Pillow does with the pixels
    elif isinstance(key, int):
        image.info["transparency"] = key * _GREY_STEPS.get(str(image.tile[0].args), 1)
    return image


def _pixels(image: ImageFile.ImageFile, data: bytes, limits: MediaConfig) -> int:
    """How many pixels are to be decoded at once, if that many are allowed."""
    width, height = heic.largest(data) if image.format == "HEIF" else image.size
    allowed = min(limits.max_image_pixels, _MAX_PIXELS.get(image.format or "", limits.max_image_pixels))
    if width * height > allowed or max(width, height) > _MAX_SIDE:
        raise RequestError(
            Kind.IMAGE_TOO_LARGE,
            f"The {image.format} image has {width} x {height} pixels; expected at most {allowed} pixels, "
            f"and {_MAX_SIDE} on a side.",
        )
    return width * height


def _enough(size: tuple[int, int], side: int, fit: Fit) -> tuple[int, int]:
    """The size at which a JPEG has to be decoded, of its whole, 1/2, 1/4 and 1/8: from half as much again as
    the frame shows of it, the resize is sharp."""
    scale = 1.5 * side / (max(size) if fit == "letterbox" else min(size))
    return (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def _unidentified(data: bytes) -> RequestError:
    supported = f"supported are {', '.join(FORMATS)}"
    start = data[:_SNIFFED]
    for name, signature in _SIGNATURES:
        if signature.match(start):
            if name in FORMATS:
                return RequestError(Kind.INVALID_IMAGE, _BROKEN)
            message = f"The image is of a format that is not read here ({name}); {supported}."
            return RequestError(Kind.UNSUPPORTED_IMAGE_FORMAT, message)
    return RequestError(Kind.INVALID_IMAGE, f"The data is not an image; {supported}.")


def _framed(image: Image.Image, width: int, height: int, fit: Fit) -> Image.Image:
    """The image turned upright and fitted into width x height."""
    orientation = _orientation(image.info.get("exif") or b"")
    if orientation in _SWAPPING:
        width, height = height, width
    box, size = (0.0, 0.0, float(image.width), float(image.height)), (width, height)
    if fit == "crop":
        visible = min(image.width / width, image.height / height)
        left, top = (image.width - width * visible) / 2, (image.height - height * visible) / 2
        box = (left, top, image.width - left, image.height - top)
    elif fit == "letterbox":
        scale = min(width / image.width, height / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    fitted = _resized(image, box, size)
    if orientation in _TURNS:
        fitted = fitted.transpose(_TURNS[orientation])
    if fit != "letterbox":
        return fitted
    if orientation in _SWAPPING:
        width, height = height, width
    canvas = Image.new("RGB", (width, height))
    canvas.paste(fitted, ((width - fitted.width) // 2, (height - fitted.height) // 2))
    return canvas


def _resized(
    image: Image.Image, box: tuple[float, float, float, float], size: tuple[int, int]
) -> Image.Image:
    """The part of an image that is in a box, at the given size; RGB, strip by strip."""
    left, top, right, bottom = (
        math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3]),
    )  # fmt: skip
    # Averaging whole blocks of pixels down to twice the size is quick and can't be told from the slow way.
    across, down = (max(1, int((box[2 + axis] - box[axis]) / size[axis] / 2)) for axis in (0, 1))
    rows = max(1, _STRIP_PIXELS // (right - left) // down) * down
    reduced = Image.new("RGB", (math.ceil((right - left) / across), math.ceil((bottom - top) / down)))
    for row in range(top, bottom, rows):
        strip = _on_white(image.crop((left, row, right, min(row + rows, bottom))))
        reduced.paste(strip.reduce((across, down)), (0, (row - top) // down))
    within = (
        (box[0] - left) / across, (box[1] - top) / down, (box[2] - left) / across, (box[3] - top) / down,
    )  # fmt: skip
    return reduced.resize(size, Image.Resampling.BICUBIC, box=within)


def _on_white(image: Image.Image) -> Image.Image:
    """The image as RGB, what is transparent of it laid on white."""
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 when it converts; the high byte is the image.
        deep = np.asarray(image)
        grey = (deep.astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        if "transparency" in image.info:
            grey[deep == image.info["transparency"]] = 255
        image = Image.fromarray(grey)
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _orientation(exif: bytes) -> int:
    """Which way an image has to be turned: 1 (as it is) to 8, by the EXIF standard's tag 0x0112.

    Nothing else of the EXIF data is looked at: cameras write tags that nobody can read, and Pillow would copy
    all values, of which a small file can have thousands that are each as long as the file.
    """
    data = exif.removeprefix(b"Exif\x00\x00")
    order = ">" if data.startswith(b"MM") else "<"
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", data, at)
            if tag == ExifTags.Base.Orientation and kind == _EXIF_SHORT:
                return int(value)
    except struct.error:  # it is cut off
        pass
    return 1
