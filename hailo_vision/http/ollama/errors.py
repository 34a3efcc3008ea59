"""Errors in Ollama's form: {"error": "<a sentence>"} (docs/api/errors.mdx)."""

import msgspec

from hailo_vision.http.errors import Failure
from hailo_vision.http.ollama.answer_types import ErrorResponse


def body(failure: Failure) -> bytes:
    """The error as JSON text. There is no field for what is at fault, so the sentence names it."""
    text, where = failure.message, failure.where
    return msgspec.json.encode(ErrorResponse(text if not where or where in text else f"{where}: {text}"))
