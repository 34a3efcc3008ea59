"""Qwen's own tokens: the ranks that the package dashscope carries, read by tiktoken. Neither is required.

Ordinary tokens, their order and the pattern that cuts a text before the merges: Qwen2's tokenizer.json, which
also normalises texts to NFC. 151,643 ranks; the special tokens follow.
"""

import unicodedata
from binascii import a2b_base64
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from hailo_platform._emulator.vocabulary import SPECIAL_TOKENS

if TYPE_CHECKING:
    from tiktoken import Encoding

_SPECIAL = frozenset(SPECIAL_TOKENS)
_RANKS = "dashscope/resources/qwen.tiktoken"
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


class QwenTokens:
    """See tokenizer.Tokens."""

    name = "qwen"

    def __init__(self, encoding: "Encoding") -> None:
        self._encoding = encoding

    def tokenize(self, text: str) -> list[int]:
        """See Tokens."""
        text = unicodedata.normalize("NFC", text)
        return self._encoding.encode(text, allowed_special=_SPECIAL, disallowed_special=())

    def settled(self, text: str) -> list[int]:
        """See Tokens. The pattern begins a new part at each space that follows something else."""
        return self.tokenize(text[: max(0, text.rfind(" "))])

    def token_bytes(self, token: int) -> bytes:
        """See Tokens."""
        try:
            return self._encoding.decode_single_token_bytes(token)
        except (KeyError, OverflowError):
            return b""


@cache
def installed() -> QwenTokens | None:
    """Qwen's tokens, or None where a package is missing."""
    try:
        import tiktoken

        file = metadata.distribution("dashscope").locate_file(_RANKS)
    except (ImportError, metadata.PackageNotFoundError):
        return None
    # Lines of a token in base64 and its rank.
    words = Path(str(file)).read_bytes().split()
    ranks = dict(zip(map(a2b_base64, words[::2]), map(int, words[1::2]), strict=True))
    return QwenTokens(
        tiktoken.Encoding("qwen2", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens=SPECIAL_TOKENS)
    )
