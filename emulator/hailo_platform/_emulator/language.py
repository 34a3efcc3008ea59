"""The emulated language model: a composed answer to the conversation in the cache, token by token."""

import hashlib
import random

from hailo_platform._emulator import vocabulary
from hailo_platform._emulator.answers import compose
from hailo_platform._emulator.cache import KvCache
from hailo_platform._emulator.phrases import Composer, Slot, pick
from hailo_platform._emulator.reading import read
from hailo_platform._emulator.sampler import Params, choose
from hailo_platform._emulator.tokenizer import tokenize, tokens

_STEP = 0.9
_BEST = 8.0
_BABBLE = (
    "the the",
    "assistant",
    "of of of",
    "ing",
    "picture picture",
    "and the",
    "is is",
    ":",
    "user",
    "0 0 0",
)


class LanguageModel:
    """Answers what the cache holds. One instance serves one session; `begin` starts an answer."""

    def __init__(self, *, damaged: bool = False) -> None:
        self._damaged = damaged
        self._composer: Composer | None = None
        self._digest = ""
        self._garbles = False
        self._slots = 0
        self._chosen: str | None = None
        self._text = ""
        self._settled: list[int] = []
        self._said = 0

    def begin(self, cache: KvCache, tail: str) -> None:
        """Read the cache after a prefill. `tail` is appended to the answer before its end (a fault)."""
        reading = read(cache)
        self._composer = _with_tail(compose(reading), tail)
        self._digest, self._garbles = reading.digest, reading.overwritten or self._damaged
        self._slots, self._chosen = 0, None
        self._text, self._settled, self._said = "", [], 0

    def next_token(self, history: set[int], params: Params, rng: random.Random) -> int:
        """The next token; the end-of-turn token when everything is said.

        The tokens are those of the whole text: what the next words could still change is held back.
        """
        while self._said == len(self._settled):
            slot = self._advance()
            if slot is None:
                self._settled = tokenize(self._text)
                break
            self._slots += 1
            self._chosen = self._choose(slot, history, params, rng)
            self._text += self._garbled(self._chosen)
            self._settled = tokens().settled(self._text)
        if self._said == len(self._settled):
            return vocabulary.IM_END
        self._said += 1
        return self._settled[self._said - 1]

    def _advance(self) -> Slot | None:
        assert self._composer is not None
        try:
            return next(self._composer) if self._chosen is None else self._composer.send(self._chosen)
        except StopIteration:
            return None

    def _choose(self, slot: Slot, history: set[int], params: Params, rng: random.Random) -> str:
        candidates = slot.candidates
        if not slot.order:
            candidates = tuple(pick(f"{self._digest}{self._slots}", candidates, len(candidates)))
        scores = [_BEST - _STEP * rank for rank in range(len(candidates))]
        repeated = [0.0] * len(candidates)
        if params.frequency_penalty != 1.0:
            repeated = [_share_in(tokenize(candidate), history) for candidate in candidates]
        return candidates[choose(scores, repeated, params, rng)]

    def _garbled(self, text: str) -> str:
        """What becomes of a phrase when cache or weights are wrong: quality collapses without a word."""
        if not self._garbles:
            return text
        roll = int(hashlib.sha256(f"{self._digest}{self._slots}".encode()).hexdigest(), 16)
        return text if roll % 3 == 0 else " " + _BABBLE[roll % len(_BABBLE)]


def _share_in(tokens: list[int], history: set[int]) -> float:
    return sum(token in history for token in tokens) / len(tokens) if tokens else 0.0


def _with_tail(composer: Composer, tail: str) -> Composer:
    yield from composer
    if tail:
        yield Slot((tail,))
