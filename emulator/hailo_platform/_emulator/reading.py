"""Reading the KV cache back as a conversation: who said what, which frames were shown, what is damaged."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hailo_platform._emulator import vocabulary as v
from hailo_platform._emulator.cache import TOKENS_PER_FRAME, Cell, KvCache, VisionCell
from hailo_platform._emulator.tokenizer import detokenize
from hailo_platform._emulator.vision import Percept

Part = str | Percept
_WORD = re.compile(r"[^\W_][\w'-]*")


@dataclass
class Turn:
    """One message: its role and its texts and frames in order."""

    role: str
    parts: list[Part] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The texts of the turn, joined."""
        return "".join(part for part in self.parts if isinstance(part, str)).strip()

    @property
    def frames(self) -> list[Percept]:
        """The frames of the turn, in order."""
        return [part for part in self.parts if isinstance(part, Percept)]


@dataclass
class Reading:
    """A conversation as the model finds it.

    `torn` tells that a turn lacks its end mark, `blurred` counts frames of which a part was overwritten,
    `overwritten` that the cache overflowed. `digest` is that of the cache's content.
    """

    turns: list[Turn]
    digest: str
    torn: bool
    blurred: int
    overwritten: bool

    @property
    def frames(self) -> list[Percept]:
        """All frames, in order."""
        return [frame for turn in self.turns for frame in turn.frames]

    def texts(self, role: str) -> list[str]:
        """The texts of all turns of a role."""
        return [turn.text for turn in self.turns if turn.role == role]

    @property
    def question(self) -> Turn:
        """The last turn that is not the assistant's."""
        return next((t for t in reversed(self.turns) if t.role != "assistant"), Turn("user"))


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def read(cache: KvCache) -> Reading:
    """What stands in the cache."""
    reader = _Reader()
    for cell in _joined(cache.cells()):
        reader.take(cell)
    reader.flush()
    turns = [turn for turn in reader.turns if turn.role or turn.parts]
    return Reading(turns, cache.digest(), reader.torn, reader.blurred, cache.overflowed)


def _joined(cells: list[Cell]) -> Iterator[int | Percept | None]:
    """Token ids, whole frames, and None for each frame that is not whole."""
    position = 0
    while position < len(cells):
        cell = cells[position]
        if not isinstance(cell, VisionCell):
            yield cell
            position += 1
            continue
        start = position
        while position < len(cells) and _follows(cells, start, position):
            position += 1
        yield cell.seen if position - start == TOKENS_PER_FRAME else None


def _follows(cells: list[Cell], start: int, position: int) -> bool:
    first, here = cells[start], cells[position]
    if not isinstance(first, VisionCell) or not isinstance(here, VisionCell):
        return False
    return here.identity == first.identity and here.index == first.index + position - start


class _Reader:
    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.torn = False
        self.blurred = 0
        self._open = False
        self._expects_role = False
        self._tokens: list[int] = []

    def take(self, cell: int | Percept | None) -> None:
        if isinstance(cell, int) and cell < v.END_OF_TEXT:
            self._tokens.append(cell)
        elif cell == v.IM_START:
            self.flush()
            self.torn = self.torn or self._open
            self.turns.append(Turn(""))
            self._open = self._expects_role = True
        elif cell in (v.IM_END, v.END_OF_TEXT):
            self.flush()
            self._open = False
        elif isinstance(cell, Percept):
            self.flush()
            self._turn().parts.append(cell)
        elif cell is None:
            self.flush()
            self.blurred += 1
        elif cell not in (v.VISION_START, v.VISION_END):
            self._tokens.append(cell)

    def flush(self) -> None:
        text = detokenize(self._tokens)
        self._tokens = []
        if self._expects_role and text:
            self._expects_role = False
            role, _, text = text.partition("\n")
            self.turns[-1].role = role
        if text and (self._open or text.strip()):
            self._turn().parts.append(text)

    def _turn(self) -> Turn:
        """The open turn; text outside of all turns counts as a user's."""
        if not self._open:
            self.turns.append(Turn("user"))
            self._open = True
        return self.turns[-1]
