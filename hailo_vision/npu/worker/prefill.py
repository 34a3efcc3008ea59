"""Cuts a prompt into parts that are prefilled one after the other, with the same outcome as in one call.

HailoRT 5.1.1 takes five frames a call, and nothing ends a prefill early: an abort waits for all of it. But a
VLM drops what it generated last before the next prompt (see prefix_cache), so that a part may be prefilled
by generating one token that nobody wants. The token costs nothing: it comes out of the prefill.

The parts have to hold the very tokens of the whole. A special token stands for itself whatever is around it,
so the text may be cut before one. Within a long text it is cut between words, where the tokens of both sides
turn out to be those of the whole.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

_CHUNK = 96  # tokens that the chip prefills at once; the rest of a prompt takes as long as a whole chunk
_TEXT_CHUNKS = 5  # some 1.5 s, for which an abort has to wait
_FRAMES = 5
_FRAME_CHUNKS = 8  # what five frames of 144 tokens and a few words take
_SPECIAL = re.compile(r"<\|\w+\|>")
_BETWEEN_WORDS = re.compile(r"(?<=\w)(?= \w)")
IMAGE, TURN_END = "<|image_pad|>", "<|im_end|>"

Tokenize = Callable[[str], list[int]]


class Cut(NamedTuple):
    """A place where a prompt may be cut: the characters, token ids and frames before it.

    A frame has one id, though it takes many tokens of the context.
    """

    characters: int
    ids: int
    frames: int


_START = Cut(0, 0, 0)


class Part(NamedTuple):
    """Text for one call, and how many of the prompt's frames belong to it."""

    text: str
    frames: int


class Prefill:
    """Cuts the prompts of one model.

    Args:
        tokenize: gives the ids of a text's tokens.
        frame_tokens: context tokens that a frame takes.
        frames_per_call: the most that HailoRT takes.
    """

    def __init__(self, tokenize: Tokenize, frame_tokens: int, frames_per_call: int) -> None:
        self._tokenize = tokenize
        self._frame_tokens = frame_tokens
        self._frames_per_call = frames_per_call
        self._special: dict[str, int | None] = {}

    def parts(self, prompt: str, tokens: Sequence[int], *, few: bool) -> list[Part]:
        """Cut a prompt.

        Args:
            tokens: the ids of the whole prompt's tokens.
            few: no more parts than its frames demand; else also such that an abort need not wait long.

        Raises:
            ValueError: it has more frames than a call takes, and can't be cut.
        """
        end = Cut(len(prompt), len(tokens), prompt.count(IMAGE))
        frames = self._frames_per_call if few else min(_FRAMES, self._frames_per_call)
        if end.frames <= frames and (few or self._excess(_START, end) == 0):
            return [Part(prompt, end.frames)]
        cuts = [_START, *self._special_cuts(prompt, tokens), end]
        if not few:
            cuts = self._with_word_cuts(prompt, tokens, cuts)
        parts = [
            Part(prompt[one.characters : other.characters], other.frames - one.frames)
            for one, other in pairwise(self._cheapest(cuts, frames, few=few))
        ]
        if any(part.frames > self._frames_per_call for part in parts):
            raise ValueError("the prompt's tokens don't tell where its frames are")
        return parts

    def _special_cuts(self, prompt: str, tokens: Sequence[int]) -> list[Cut]:
        """A cut before each special token but the first, and those that end a turn: another begins soon."""
        found = [
            (match.start(), number)
            for match in _SPECIAL.finditer(prompt)
            if (number := self._special_id(match[0])) is not None
        ]
        numbers = {number for number in self._special.values() if number is not None}
        places = [place for place, token in enumerate(tokens) if token in numbers]
        if [tokens[place] for place in places] != [number for _, number in found]:
            return []  # the text and its tokens don't tell the same story: leave it whole
        image, turn_end = self._special_id(IMAGE), self._special_id(TURN_END)
        cuts, frames = [], 0
        for (start, number), place in zip(found, places, strict=True):
            if start > 0 and number != turn_end:
                cuts.append(Cut(start, place, frames))
            frames += number == image
        return cuts

    def _special_id(self, text: str) -> int | None:
        """The id of a special token; None for text that only looks like one."""
        if text not in self._special:
            numbers = self._tokenize(text)
            self._special[text] = numbers[0] if len(numbers) == 1 else None
        return self._special[text]

    def _with_word_cuts(self, prompt: str, tokens: Sequence[int], cuts: Sequence[Cut]) -> list[Cut]:
        """The cuts, and more of them in texts that take too long to prefill."""
        out = [cuts[0]]
        for one, other in pairwise(cuts):
            if one.frames == other.frames and self._chunks(one, other) > _TEXT_CHUNKS:
                text = prompt[one.characters : other.characters]
                out += self._word_cuts(text, tokens[one.ids : other.ids], one)
            out.append(other)
        return out

    def _word_cuts(self, text: str, tokens: Sequence[int], begin: Cut) -> list[Cut]:
        """Cuts of a text without special tokens, each some _TEXT_CHUNKS after the one before."""
        cuts: list[Cut] = []
        done = fed = 0
        while len(tokens) - fed > _TEXT_CHUNKS * _CHUNK:
            reach = (len(text) - done) * _TEXT_CHUNKS * _CHUNK // (len(tokens) - fed)
            places = [match.start() for match in _BETWEEN_WORDS.finditer(text, done + 1, done + reach)]
            head = self._tokenize(text[done : places[-1]]) if places else []
            if not head or list(tokens[fed : fed + len(head)]) != head:
                break
            done, fed = places[-1], fed + len(head)
            cuts.append(Cut(begin.characters + done, begin.ids + fed, begin.frames))
        return cuts if self._tokenize(text[done:]) == list(tokens[fed:]) else []

    def _chunks(self, one: Cut, other: Cut) -> int:
        """How many chunks the chip needs for what is between two cuts."""
        frames = other.frames - one.frames
        return -(-(other.ids - one.ids + frames * (self._frame_tokens - 1)) // _CHUNK)

    def _excess(self, one: Cut, other: Cut) -> int:
        """Chunks by which a part is longer than an abort should have to wait for."""
        most = _FRAME_CHUNKS if other.frames > one.frames else _TEXT_CHUNKS
        return max(0, self._chunks(one, other) - most)

    def _cheapest(self, cuts: Sequence[Cut], frames: int, *, few: bool) -> list[Cut]:
        """The cuts to use, both ends included, with at most `frames` frames between two: those with the
        fewest chunks in all, then the fewest parts; with `few` the other way round. Each chunk by which a
        part is too long counts as one more."""
        best: list[tuple[tuple[int, int], int]] = [((0, 0), 0)]  # of each cut: the cost, the cut before it
        for number in range(1, len(cuts)):
            cut = cuts[number]
            ways: list[tuple[tuple[int, int], int]] = []
            for before in range(number - 1, -1, -1):
                one = cuts[before]
                excess = 0 if few else self._excess(one, cut)
                if ways and (excess > 0 or cut.frames - one.frames > frames):
                    break  # from here on they only grow
                (first, second), _ = best[before]
                chunks = self._chunks(one, cut)
                cost = (first + 1, second + chunks) if few else (first + chunks + excess, second + 1)
                ways.append((cost, before))
            best.append(min(ways))
        chosen = [len(cuts) - 1]
        while chosen[-1] > 0:
            chosen.append(best[chosen[-1]][1])
        return [cuts[number] for number in reversed(chosen)]
