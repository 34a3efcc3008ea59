"""Images that are written into a request: data URIs and bare base64."""

import binascii
import io
import re
import urllib.parse
from collections.abc import Iterable, Iterator

import msgspec

from hailo_vision.config import MediaConfig
from hailo_vision.errors import Kind, RequestError

# Texts are gone through in pieces: each step holds the GIL, and in between the event loop gets its turn.
_PIECE = 256 * 1024
_MAX_HEAD = 1024  # characters before a data URI's comma
_DATA_URI = re.compile(r"data:[^,;]*(?P<parameters>(?:;[^,;]*)*),", re.IGNORECASE)
_LINK = re.compile(r"\s*[a-z][a-z0-9+.-]{0,19}:/", re.IGNORECASE)
_ESCAPED_BYTES = 3  # %XX
_URL_SAFE = str.maketrans("-_", "+/")
_WHITESPACE = re.compile(r"\s+")


def is_link(source: str) -> bool:
    """Whether an image is named by a URL of another scheme than data:, and not given as data."""
    return _LINK.match(source, 0, _MAX_HEAD) is not None


def decode_inline(source: str, limits: MediaConfig) -> bytes:
    """The bytes of a data URI or of bare base64.

    The type that a data URI claims is not looked at: the content tells the format. Base64 may have line
    breaks, the URL-safe alphabet, and no padding.

    Raises:
        RequestError: the text is neither, or has more bytes than max_image_bytes.
    """
    source = source.strip()
    head = _DATA_URI.match(source, 0, _MAX_HEAD)
    start = head.end() if head else 0
    is_base64 = not head or "base64" in _WHITESPACE.sub("", head["parameters"]).lower().split(";")
    data = io.BytesIO()
    try:
        for part in _from_base64(source, start) if is_base64 else _unquoted(source, start):
            data.write(part)
            if data.tell() > limits.max_image_bytes:
                raise too_large(limits)
    except ValueError as error:
        message = "Expected an image as a data URI, base64 text, or a link; this is not valid base64."
        raise RequestError(Kind.INVALID_IMAGE, message) from error
    return data.getvalue()


def too_large(limits: MediaConfig) -> RequestError:
    """The error for more bytes than are allowed."""
    return RequestError(Kind.IMAGE_TOO_LARGE, f"The image is larger than {limits.max_image_bytes} bytes.")


def _from_base64(text: str, start: int) -> Iterator[bytes]:
    """Decode base64 piece by piece; a ValueError if it is none."""
    pieces: Iterable[str]
    if text.find("%", start) < 0:
        pieces = (text[at : at + _PIECE] for at in range(start, len(text), _PIECE))
    else:
        pieces = (part.decode("latin-1") for part in _unquoted(text, start))
    rest = ""  # of a piece: less than the four characters that make three bytes
    for piece in pieces:
        digits = rest + piece
        whole = len(digits) // 4 * 4
        try:
            # Several times as fast as binascii, but knows no line breaks and no URL-safe alphabet.
            yield msgspec.convert(digits[:whole], bytes)
        except msgspec.ValidationError:
            digits = _WHITESPACE.sub("", digits).translate(_URL_SAFE)
            whole = len(digits) // 4 * 4
            yield binascii.a2b_base64(digits[:whole], strict_mode=True)
        rest = digits[whole:]
    digits = _WHITESPACE.sub("", rest).translate(_URL_SAFE).rstrip("=")
    yield binascii.a2b_base64(digits + "=" * (-len(digits) % 4), strict_mode=True)


def _unquoted(text: str, start: int) -> Iterator[bytes]:
    """The bytes of a percent-encoded text, piece by piece."""
    while start < len(text):
        end = start + _PIECE
        escape = text.find("%", end - _ESCAPED_BYTES + 1, end)  # is not cut in two
        end = escape if escape >= 0 else end
        yield urllib.parse.unquote_to_bytes(text[start:end])
        start = end
