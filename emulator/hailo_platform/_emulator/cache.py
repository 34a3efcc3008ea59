"""The KV cache: what the model has read, in a ring that overwrites its oldest cells without a word.

Source: libhailort/src/core_op/resource_manager/cache_manager.cpp of hailo-ai/hailort: the index wraps
modulo the length while the usage counter grows on.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TOKENS_PER_FRAME = 144


@dataclass(frozen=True)
class VisionCell:
    """One of the 144 embeddings of a frame (or of a pair of video frames).

    `seen` is whatever the engine's encoder made of it, `identity` a digest of its pixels.
    """

    identity: str
    index: int
    seen: Any


Cell = int | VisionCell


class KvCache:
    """Cells of token ids and vision embeddings, `capacity` of them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.usage = 0
        self._ring: list[Cell] = []

    def clear(self) -> None:
        """Forget everything."""
        self.usage = 0
        self._ring = []

    def extend(self, cells: Iterable[Cell]) -> None:
        """Append cells; beyond the capacity each one overwrites the oldest."""
        for cell in cells:
            if self.usage < self.capacity:
                self._ring.append(cell)
            else:
                self._ring[self.usage % self.capacity] = cell
            self.usage += 1

    @property
    def overflowed(self) -> bool:
        """Whether a cell was overwritten."""
        return self.usage > self.capacity

    @property
    def full(self) -> bool:
        """What the chip reports to the client as a full context."""
        return self.usage >= self.capacity

    def cells(self) -> list[Cell]:
        """What is left to read, oldest first."""
        if not self.overflowed:
            return list(self._ring)
        start = self.usage % self.capacity
        return self._ring[start:] + self._ring[:start]

    def digest(self) -> str:
        """A digest of the content: equal for equal content, however it came in."""
        texts = [
            str(cell) if isinstance(cell, int) else f"{cell.identity}/{cell.index}" for cell in self.cells()
        ]
        texts.append("overwritten" if self.overflowed else "")
        return hashlib.sha256(",".join(texts).encode()).hexdigest()

    def snapshot(self) -> tuple[int, list[Cell]]:
        """Usage and raw cells, for save_context."""
        return self.usage, list(self._ring)

    def restore(self, snapshot: tuple[int, list[Cell]]) -> None:
        """Take over a snapshot."""
        self.usage, ring = snapshot
        self._ring = list(ring)
