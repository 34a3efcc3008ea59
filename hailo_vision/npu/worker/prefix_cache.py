"""Prefix cache: what the model's context holds, so that only the rest of a prompt needs to be prefilled.

When a generation ends, the context holds the prompt and every generated token but the last: that one
has not been fed back yet, and HailoRT's VLM drops it before the next prompt (llm_server.cpp,
append_tokens_to_next_generation_prefix; vlm_server.cpp, prepare_for_new_generation). A prompt that
extends this text, with the same frames in it, only needs its suffix to be sent.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple


def digest(frame: bytes | memoryview) -> bytes:
    """The identity of a frame's pixels: SHA-256, so that nobody can make two frames look the same."""
    return hashlib.sha256(frame).digest()


class Suffix(NamedTuple):
    """The part of a prompt that the context does not hold: its text, and the index of its first frame."""

    text: str
    first_frame: int


class PrefixCache:
    """Follows one model's context. After anything unforeseen it is empty, and nothing is reused.

    Attributes:
        tokens: what the context holds, as far as it is known.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._key: str | None = None  # of the client that the contents came from
        self._text = ""
        self._frames: tuple[bytes, ...] = ()
        self.tokens = 0

    def suffix_of(self, prompt: str, frames: Sequence[bytes], key: str | None) -> Suffix | None:
        """What has to be sent so that the context holds the whole prompt; None if it can't be extended to it.

        Args:
            frames: the digests of the prompt's frames.
            key: whose conversation it is; another client's context is never extended.
        """
        held = len(self._frames)
        extends = prompt.startswith(self._text) and len(prompt) > len(self._text)
        if key is None or key != self._key or not extends or tuple(frames[:held]) != self._frames:
            return None
        return Suffix(prompt[len(self._text) :], held)

    def record(
        self, key: str | None, prompt: str, frames: Sequence[bytes], prompt_tokens: int, pieces: Sequence[str]
    ) -> None:
        """Note a generation that ended by itself; pieces are all its tokens, a stop token included.

        A token whose text is empty is part of a character that a later token completes: if the cut
        between fed and unfed tokens falls inside one, no text says what the context holds.
        """
        fed = pieces[:-1]
        if fed and fed[-1] == "":
            self.clear()
            return
        self._key, self._text, self._frames = key, prompt + "".join(fed), tuple(frames)
        self.tokens = prompt_tokens + len(fed)
