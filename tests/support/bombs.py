"""Images of few bytes that become many: flat ones, as large as the limits allow."""

import base64
import io
import zlib
from collections.abc import Callable
from functools import cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any

from PIL import Image

_DATA = Path(__file__).parents[1] / "data"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by a PNG's colour type
LARGE = (7070, 7070)  # just below 50 megapixels
COPIED = (4000, 4000)  # the limit of WebP and AVIF
KEY = b"tRNS", bytes(6)
PALETTE = b"PLTE", bytes(768)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(
    size: tuple[int, int], depth: int, colour: int, *chunks: tuple[bytes, bytes], interlaced: bool = False
) -> bytes:
    """A black PNG; depth and colour type as the standard numbers them."""
    width, height = size
    row = bytes(1 + (width * _CHANNELS[colour] * depth + 7) // 8)
    rows = height + 8 * 7 if interlaced else height  # an interlaced one has more, but shorter ones
    packer = zlib.compressobj(1)
    packed = b"".join([*map(packer.compress, repeat(row, rows)), packer.flush()])
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, colour, 0, 0, interlaced])
    parts = [chunk(b"IHDR", header), *(chunk(*other) for other in chunks), chunk(b"IDAT", packed)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


@cache
def flat(mode: str, size: tuple[int, int], image_format: str, frames: int = 1, **options: Any) -> bytes:
    """An image of one colour, or an animation whose frames differ."""
    images = [Image.new(mode, size, index) for index in range(frames)]
    if frames > 1:
        options |= {"save_all": True, "append_images": images[1:]}
    buffer = io.BytesIO()
    images[0].save(buffer, image_format, **options)
    return buffer.getvalue()


@cache
def _noise(size: tuple[int, int] = (1600, 1400), image_format: str = "PNG") -> bytes:
    """As many bytes as an image of this size can have."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(buffer, image_format)
    return buffer.getvalue()


def _data_uri(make: Callable[[], bytes]) -> str:
    return "data:;base64," + base64.b64encode(make()).decode()


# What is dear in one way or another: shapes, depths, transparency, kinds of coding.
FILES: dict[str, Callable[[], bytes]] = {
    "palette": lambda: png(LARGE, 8, 3, PALETTE),
    "palette, transparent": lambda: png(LARGE, 8, 3, PALETTE, KEY),
    "palette, transparent, tall": lambda: png((762, 65_535), 8, 3, PALETTE, KEY),
    "palette, transparent, wide": lambda: png((65_535, 762), 8, 3, PALETTE, KEY),
    "palette, transparent, a line": lambda: png((1, 65_535), 8, 3, PALETTE, KEY),
    "one bit": lambda: png(LARGE, 1, 0),
    "16-bit grey": lambda: png(LARGE, 16, 0),
    "16-bit grey, colour key": lambda: png(LARGE, 16, 0, (b"tRNS", bytes(2))),
    "RGB, colour key": lambda: png(LARGE, 8, 2, KEY),
    "RGB, colour key, interlaced": lambda: png(LARGE, 8, 2, KEY, interlaced=True),
    "16-bit RGB, colour key": lambda: png(LARGE, 16, 2, KEY),
    "grey, alpha": lambda: png(LARGE, 8, 4),
    "16-bit grey, alpha": lambda: png(LARGE, 16, 4),
    "RGB, alpha": lambda: png(LARGE, 8, 6),
    "16-bit RGB, alpha, interlaced": lambda: png(LARGE, 16, 6, interlaced=True),
    "animated PNG": lambda: flat("RGB", LARGE, "PNG", 2, compress_level=1),
    "photo": lambda: _noise((4000, 3000), "JPEG"),
    "JPEG": lambda: flat("RGB", LARGE, "JPEG", subsampling=0),
    "JPEG, progressive": lambda: flat("RGB", LARGE, "JPEG", subsampling=0, progressive=True),
    "JPEG, progressive, CMYK": lambda: flat("CMYK", LARGE, "JPEG", progressive=True),
    "JPEG, progressive, tall": lambda: flat("CMYK", (762, 65_500), "JPEG", progressive=True),
    "JPEG without end": lambda: flat("CMYK", LARGE, "JPEG", progressive=True)[:-2],
    "animated GIF": lambda: flat("P", LARGE, "GIF", 2, transparency=0),
    "BMP": lambda: flat("P", (3000, 3000), "BMP"),
    "WebP, alpha": lambda: flat("RGBA", COPIED, "WEBP"),
    "WebP, lossless": lambda: flat("RGBA", COPIED, "WEBP", lossless=True),
    "animated WebP": lambda: flat("RGBA", COPIED, "WEBP", 2),
    "AVIF, alpha": lambda: flat("RGBA", COPIED, "AVIF", speed=10),
    # 25 megapixels of 10 bits with transparency
    "HEIC, alpha": lambda: (_DATA / "large.heic").read_bytes(),
}


def _headers() -> dict[str, Callable[[], bytes]]:
    """Images whose header has as many parts as fit ten megabytes."""
    png_file, gif = png((16, 16), 8, 2), flat("P", (16, 16), "GIF")
    jpeg, first = flat("RGB", (16, 16), "JPEG"), gif.index(b",")
    heic = (_DATA / "coffee.heic").read_bytes()
    return {
        "JPEG of segments": lambda: jpeg[:2] + b"\xff\xfe\0\x02" * 2_400_000 + jpeg[2:],
        "JPEG of fill bytes": lambda: jpeg[:2] + b"\xff" * 9_900_000 + jpeg[2:],
        "PNG of chunks": lambda: png_file[:33] + chunk(b"prVt", b"") * 800_000 + png_file[33:],
        "GIF of comments": lambda: gif[:first] + b"!\xfe\1a\0" * 1_900_000 + gif[first:],
        "HEIC of boxes": lambda: heic + b"\0\0\0\x0cmeta\0\0\0\0" * 800_000,
        "GIF of blocks": lambda: gif[:first] + b"!\xfe" + b"\1a" * 4_900_000 + b"\0" + gif[first:],
    }


# As they come in a request: the same as data URIs, and spellings that are dear to read.
IMAGES: dict[str, Callable[[], str]] = {
    **{name: partial(_data_uri, make) for name, make in FILES.items()},
    "base64 in lines": lambda: base64.encodebytes(_noise()).decode(),
    "URL-safe base64": lambda: base64.urlsafe_b64encode(_noise()).decode().rstrip("="),
    "base64, percent-encoded": lambda: _data_uri(_noise).replace("/", "%2F"),
    "percent-encoded": lambda: "data:," + "".join(f"%{byte:02X}" for byte in _noise()),
}
NO_IMAGES: dict[str, Callable[[], str]] = {
    "spaces": lambda: " " * 20_000_000,
    "an endless head": lambda: "data:" + "a" * 20_000_000,
    **{name: partial(_data_uri, make) for name, make in _headers().items()},
}
