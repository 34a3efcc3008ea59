"""A deterministic byte-level tokenizer that knows Qwen's special tokens, for want of Qwen's own.

Text is cut into runs of letters (with the space before them) and single other characters; a run becomes
the longest known tokens from left to right. So any prefix of a text's tokens is the tokenization of the
text up to there, and a special token separates what is around it: the same text gives the same tokens
whether it was sent whole or in parts that begin at a special token.
"""

import re
from functools import lru_cache

from hailo_platform._emulator import vocabulary as v

_PART = re.compile("|".join([*map(re.escape, v.SPECIAL_TOKENS), " ?[A-Za-z]+", "."]), re.DOTALL)
_SPECIAL_TEXT = {identity: text.encode() for text, identity in v.SPECIAL_TOKENS.items()}
_FIRST_SPECIAL = v.END_OF_TEXT


@lru_cache(4096)
def _tokens_of(part: str) -> tuple[int, ...]:
    if part in v.SPECIAL_TOKENS:
        return (v.SPECIAL_TOKENS[part],)
    if len(part) == 1:
        return tuple(_character(part))
    tokens: list[int] = []
    known, longest = v.words(), v.longest_word()
    position = 0
    while position < len(part):
        for length in range(min(longest, len(part) - position), 1, -1):
            identity = known.get(part[position : position + length])
            if identity is not None:
                tokens.append(identity)
                position += length
                break
        else:
            tokens.append(ord(part[position]))
            position += 1
    return tuple(tokens)


def _character(character: str) -> list[int]:
    """The tokens of one character: some of three bytes and all of four bytes are split inside."""
    data = character.encode()
    if len(data) == 1:
        return [data[0]]
    if len(data) == 2 or (len(data) == 3 and ord(character) % 3):
        return [v.CHARACTER_BASE + ord(character)]
    if len(data) == 3:
        return [v.THREE_BYTE_BASE + (data[0] - 0xE0) * 64 + data[1] - 0x80, data[2]]
    return [v.FOUR_BYTE_BASE + (data[0] - 0xF0) * 64 + data[1] - 0x80, data[2], data[3]]


@lru_cache(4096)
def _bytes_of(token: int) -> bytes:
    """The bytes that a token stands for; empty for an id that is no token."""
    if 0 <= token < v.PAIR_BASE:
        return bytes([token])
    if token >= _FIRST_SPECIAL:
        return _SPECIAL_TEXT.get(token, b"")
    if token >= v.FOUR_BYTE_BASE:
        first, second = divmod(token - v.FOUR_BYTE_BASE, 64)
        return bytes([0xF0 + first, 0x80 + second]) if first < 8 else b""
    if token >= v.THREE_BYTE_BASE:
        first, second = divmod(token - v.THREE_BYTE_BASE, 64)
        return bytes([0xE0 + first, 0x80 + second]) if first < 16 else b""
    if token >= v.CHARACTER_BASE:
        return chr(token - v.CHARACTER_BASE).encode("utf-8", "ignore")
    return v.word_bytes().get(token, b"")


class StandInTokens:
    """See tokenizer.Tokens."""

    name = "stand-in"

    def tokenize(self, text: str) -> list[int]:
        """See Tokens."""
        return [token for part in _PART.findall(text) for token in _tokens_of(part)]

    def settled(self, text: str) -> list[int]:
        """See Tokens."""
        return [token for part in _PART.findall(text)[:-1] for token in _tokens_of(part)]

    def token_bytes(self, token: int) -> bytes:
        """See Tokens."""
        return _bytes_of(token)
