"""Prefix cache: what the model's context holds, so that only the rest of a prompt needs to be prefilled.

When a generation ends, the context holds the prompt and every generated token but the last: that one
has not been fed back yet, and HailoRT's VLM drops it before the next prompt (llm_server.cpp,
append_tokens_to_next_generation_prefix; vlm_server.cpp, prepare_for_new_generation). A prompt that
extends this text, with the same frames in it, only needs its suffix to be sent.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


def digest(frame: bytes | memoryview) -> bytes:
    """The identity of a frame's pixels: SHA-256, so that nobody can make two frames look the same."""
    return hashlib.sha256(frame).digest()


@dataclass(frozen=True)
class Contents:
    """Text, frames and tokens of a context, and the key of the client that they came from."""

    key: str
    text: str
    frames: tuple[bytes, ...]
    tokens: int


class Suffix(NamedTuple):
    """The part of a prompt that the context does not hold: its text, and the index of its first frame."""

    text: str
    first_frame: int


class PrefixCache:
    """Follows one model's context. After anything unforeseen it is empty, and nothing is reused."""

    def __init__(self) -> None:
        self._contents: Contents | None = None

    @property
    def tokens(self) -> int:
        """Tokens that the context holds, as far as they are known."""
        return self._contents.tokens if self._contents else 0

    def clear(self) -> None:
        self._contents = None

    def suffix_of(self, prompt: str, frames: Sequence[bytes], key: str | None) -> Suffix | None:
        """What has to be sent so that the context holds the whole prompt; None if it can't be extended to it.

        Args:
            frames: the digests of the prompt's frames.
            key: whose conversation it is; another client's context is never extended.
        """
        held = self._contents
        if held is None or key != held.key:
            return None
        if not prompt.startswith(held.text) or len(prompt) == len(held.text):
            return None
        if tuple(frames[: len(held.frames)]) != held.frames:
            return None
        return Suffix(prompt[len(held.text) :], len(held.frames))

    def record(
        self, key: str | None, prompt: str, frames: Sequence[bytes], prompt_tokens: int, pieces: Sequence[str]
    ) -> None:
        """Note a generation that ended by itself; pieces are all its tokens, a stop token included.

        A token whose text is empty is part of a character that a later token completes: if the cut
        between fed and unfed tokens falls inside one, no text says what the context holds.
        """
        fed = pieces[:-1]
        if key is None or not pieces or (fed and fed[-1] == ""):
            self.clear()
            return
        self._contents = Contents(key, prompt + "".join(fed), tuple(frames), prompt_tokens + len(fed))
