"""Images for tests."""

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

DATA = Path(__file__).parents[1] / "data"


def photo(name: str) -> bytes:
    """One of the photographs in tests/data, as JPEG bytes."""
    return (DATA / f"{name}.jpg").read_bytes()


def plain(colour: str, size: tuple[int, int] = (64, 48), image_format: str = "PNG") -> bytes:
    """An image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, image_format)
    return buffer.getvalue()


def data_uri(image: bytes, media_type: str = "image/jpeg") -> str:
    return f"data:{media_type};base64,{base64.b64encode(image).decode()}"


def image_part(image: bytes) -> dict[str, object]:
    """The content part that every client sends."""
    return {"type": "image_url", "image_url": {"url": data_uri(image)}}


def user(*content: str | bytes) -> dict[str, Any]:
    """A user message of texts and images."""
    parts = [
        image_part(part) if isinstance(part, bytes) else {"type": "text", "text": part} for part in content
    ]
    return {"role": "user", "content": parts}
