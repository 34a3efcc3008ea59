"""The tokens of the emulated model: Qwen's own where their ranks are installed, else a stand-in's.

A special token in a text is recognised wherever it stands, also inside a user's words.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

from hailo_platform._emulator import qwen, standin
from hailo_platform._emulator.settings import settings

REPLACEMENT = "\ufffd"


class Tokens(Protocol):
    """What `qwen.QwenTokens` and the stand-in offer."""

    name: str

    def tokenize(self, text: str) -> list[int]:
        """The token ids of a text."""

    def settled(self, text: str) -> list[int]:
        """The first of them, which stay the same however the text goes on."""

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for; empty for an id that is no token."""


@cache
def _tokens(wanted: str) -> Tokens:
    found = qwen.installed() if wanted == "auto" else None
    return found or standin.StandInTokens()


def tokens() -> Tokens:
    """The tokens in use, by the setting `tokens`."""
    return _tokens(settings().tokens)


def tokenize(text: str) -> list[int]:
    """The token ids of a text.

    Raises UnicodeEncodeError for a lone surrogate, as the conversion to UTF-8 in the bindings does.
    """
    text.encode()
    return tokens().tokenize(text)


def detokenize(ids: Iterable[int]) -> str:
    """The text of whole tokens; bytes that are no UTF-8 become U+FFFD."""
    return b"".join(map(tokens().token_bytes, ids)).decode("utf-8", "replace")


class PieceDecoder:
    """Turns tokens into pieces of text, never cutting a character.

    Source: hailort/common/genai/tokenizer/hailo_tokenizer.cpp of hailo-ai/hailort: tokens whose joint text
    holds a replacement character are kept back with an empty piece until later ones complete them.
    """

    def __init__(self, bytes_of: Callable[[int], bytes] | None = None) -> None:
        self._bytes_of = bytes_of or tokens().token_bytes
        self._pending = b""

    def piece(self, token: int) -> str:
        """The text that this token completes, possibly empty."""
        self._pending += self._bytes_of(token)
        text = self._pending.decode("utf-8", "replace")
        if REPLACEMENT in text:
            return ""
        self._pending = b""
        return text

    def drop_pending(self) -> None:
        """Forget bytes that wait for the rest of their character."""
        self._pending = b""
