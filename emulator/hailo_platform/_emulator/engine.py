"""What a session needs of a model, and the emulated model behind it."""

import random
from collections.abc import Sequence
from typing import Any, Protocol

from hailo_platform._emulator import vision, vocabulary
from hailo_platform._emulator.cache import Cell, KvCache
from hailo_platform._emulator.kinds import ModelKind
from hailo_platform._emulator.language import LanguageModel
from hailo_platform._emulator.sampler import Params
from hailo_platform._emulator.tokenizer import PieceDecoder, detokenize, tokenize, tokens


class Decoder(Protocol):
    """Turns tokens into pieces of whole characters."""

    def piece(self, token: int) -> str:
        """The text completed by a token."""

    def drop_pending(self) -> None:
        """Forget an unfinished character."""


class Engine(Protocol):
    """A model: tokenizer, vision encoder and next-token function.

    `paced` tells that the published durations apply, times `pace`; an engine that really computes takes its
    own time. `tokens` names whose tokens it counts.
    """

    paced: bool
    pace: float
    template: str
    end_tokens: tuple[int, ...]
    image_pad: int
    video_pad: int
    frame_shape: tuple[int, int, int]
    max_frames: int | None
    identity: str
    tokens: str

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, special tokens recognised."""

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Text of whole tokens."""

    def decoder(self) -> Decoder:
        """A fresh piece decoder."""

    def encode(self, frames: Sequence[bytes]) -> tuple[str, Any]:
        """Identity and percept of one encoder pass: one frame, or two of a video."""

    def start(self, cache: KvCache, fresh: list[Cell], tail: str) -> None:
        """Take in the cells of a prompt that were just appended to the cache."""

    def feed(self, token: int) -> None:
        """Take in a generated token that was just appended to the cache."""

    def next_token(self, history: set[int], params: Params, rng: random.Random) -> int:
        """Choose the next token."""

    def restart(self, cells: list[Cell]) -> None:
        """The context was cleared or restored to `cells`."""


class EmulatedEngine:
    """The emulator's own model: measures frames, composes English."""

    paced = True
    end_tokens: tuple[int, ...] = (vocabulary.IM_END, vocabulary.END_OF_TEXT)
    image_pad = vocabulary.IMAGE_PAD
    video_pad = vocabulary.VIDEO_PAD

    def __init__(self, identity: str, kind: ModelKind, *, damaged: bool = False) -> None:
        self.identity = identity
        self.template, self.frame_shape = kind.template, kind.frame_shape
        self.max_frames, self.pace = kind.max_frames, kind.pace
        self.tokens = tokens().name
        self._model = LanguageModel(damaged=damaged)

    def tokenize(self, text: str) -> list[int]:
        """See Engine."""
        return tokenize(text)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """See Engine."""
        return detokenize(tokens)

    def decoder(self) -> Decoder:
        """See Engine."""
        return PieceDecoder()

    def encode(self, frames: Sequence[bytes]) -> tuple[str, Any]:
        """See Engine. Of a pair of video frames the percept is that of their mean."""
        if len(frames) == 1:
            percept = vision.see(frames[0], self.frame_shape)
        else:
            percept = vision.see(vision.blend(frames), self.frame_shape)
        return percept.identity, percept

    def start(self, cache: KvCache, fresh: list[Cell], tail: str) -> None:
        """See Engine."""
        self._model.begin(cache, tail)

    def feed(self, token: int) -> None:
        """Nothing to do: the answer is composed from the prompt."""

    def next_token(self, history: set[int], params: Params, rng: random.Random) -> int:
        """See Engine."""
        return self._model.next_token(history, params, rng)

    def restart(self, cells: list[Cell]) -> None:
        """Nothing to do: the cache is read at each start."""
