"""The chip's side of one loaded model: context, pending frames, generation state.

Follows hailort_server/genai/llm/llm_server.cpp and vlm/vlm_server.cpp of hailo-ai/hailort: the token that
ends a generation is not in the cache but a prefix for the next prompt, which the VLM drops; frames wait
from their arrival until a prefill has used them, also over failed calls.
"""

import random
import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from hailo_platform._emulator import log
from hailo_platform._emulator.cache import TOKENS_PER_FRAME, Cell, KvCache, VisionCell
from hailo_platform._emulator.device import KvCacheClaim
from hailo_platform._emulator.engine import Engine
from hailo_platform._emulator.errors import Status, failure
from hailo_platform._emulator.journal import record
from hailo_platform._emulator.sampler import RANDOM_SEED, Params
from hailo_platform._emulator.shared import count

MAX_FRAMES_511 = 5
NO_TOKEN = -1
_STOP_WINDOW = 50
# One prefill of a full context, and more than the chip waits for one inference (inference_manager.hpp: 15 s).
_LONGEST_INFERENCE_S = 30.0


class GenerationStatus(Enum):
    """The states of a completion (bindings/python/src/pyhailort.cpp)."""

    GENERATING = 0
    MAX_TOKENS_REACHED = 1
    LOGICAL_END_OF_GENERATION = 2
    ABORTED = 3


class Step(NamedTuple):
    """One delivered token.

    `computed` is False for recovery tokens, which cost no inference; `ends` marks the last computed one.
    """

    token: int
    status: GenerationStatus
    computed: bool
    ends: bool


@dataclass
class Recovery:
    """The tokens delivered after an ungraceful end, and what is left of them to deliver."""

    tokens: list[int]
    queue: deque[int] = field(default_factory=deque)
    status: GenerationStatus = GenerationStatus.GENERATING


class Session:
    """One model on the chip."""

    def __init__(
        self, engine: Engine, capacity: int, kv: KvCacheClaim | None = None, incarnation: int = 0
    ) -> None:
        self.engine = engine
        self.incarnation = incarnation
        self._kv = kv
        self.cache = KvCache(capacity)
        self.closed = False
        self.desynchronised = False
        self.abort_requested = False
        self.recovery = Recovery([engine.end_tokens[0]])
        self.stop_sequences: list[list[int]] = [[token] for token in engine.end_tokens]
        self._pending: list[tuple[list[VisionCell], bool]] = []
        self._prefix: list[int] = []
        self._history: set[int] = set()
        self._recent: deque[int] = deque(maxlen=_STOP_WINDOW)
        self._rng = random.Random(0)
        self._params = Params()
        self._produced = 0
        self._last: int | None = None
        self._warned_full = False

    # Requests

    def check_link(self) -> None:
        """Raise 62 if the link is gone, 8 if an earlier call left frames that are taken for requests."""
        if self.closed:
            raise failure(Status.COMMUNICATION_CLOSED)
        if self.desynchronised:
            raise failure(Status.INTERNAL_FAILURE)

    def desynchronise(self) -> None:
        """Frames stay unread on the line (5.1.1): they are taken for the next requests."""
        self.desynchronised = True
        record("desynchronised")

    def close(self, reason: str) -> None:
        """The connection is gone."""
        self.closed = True
        record("session_closed", reason=reason)

    def note_request(self, until: float) -> None:
        """The chip is at work until that monotonic time, even if this process dies."""
        if self._kv is not None:
            self._kv.note_request(min(until, time.monotonic() + _LONGEST_INFERENCE_S))

    def usage(self) -> int:
        """Cache usage and the pending prefix, as get_context_usage_size reports it."""
        return self.cache.usage + len(self._prefix)

    def begin(self, params: Params) -> None:
        """Prepare a generation: seed the sampler, drop what the last one left to deliver."""
        self._params = params
        seed = time.monotonic_ns() & 0xFFFFFFFF if params.seed == RANDOM_SEED else params.seed
        if params.do_sample:
            self._rng.seed(seed)
        self._warned_full = False
        self._prepare()

    def _prepare(self) -> None:
        self._produced = 0
        self.abort_requested = False
        self._prefix = []
        self._recent.clear()
        self.recovery.queue.clear()
        self._last = None

    def encode(self, frames: list[bytes], *, video: bool) -> None:
        """Encode a picture (one frame) or a video (several, in pairs) and keep it for the prefill."""
        passes = [frames[i : i + 2] for i in range(0, len(frames), 2)] if video else [frames]
        cells: list[VisionCell] = []
        for pair in passes:
            if video and len(pair) == 1:
                pair = pair * 2
            identity, seen = self.engine.encode(pair)
            cells += [VisionCell(identity, index, seen) for index in range(TOKENS_PER_FRAME)]
        self._pending.append((cells, video))

    def leave_broken_frame(self) -> None:
        """An encoder pass failed: its place among the pending frames stays taken."""
        self._pending.append(([], False))
        self._note_poison()

    def cells_of(self, tokens: list[int]) -> int:
        """How many cells the prefill of a prompt's tokens takes, its frames included."""
        return len(tokens) + sum(len(cells) - 1 for cells, _ in self._pending if cells)

    def prefill(self, tokens: list[int], tail: str) -> int:
        """Put a prompt's tokens into the cache and return how many cells they took.

        Raises status 6 if the placeholders are not as many as the pending frames.
        """
        pads = [token for token in tokens if token in (self.engine.image_pad, self.engine.video_pad)]
        kinds = [token == self.engine.video_pad for token in pads]
        if sorted(kinds) != sorted(video for _, video in self._pending):
            if self._pending:
                self._note_poison()
            log.write("error", "CHECK failed - number of frames differs from the placeholders in the prompt")
            raise failure(Status.INVALID_OPERATION)
        cells = self._expanded(tokens)
        self._pending = []
        self.cache.extend(cells)
        self._note_full()
        self.engine.start(self.cache, cells, tail)
        return len(cells)

    def _expanded(self, tokens: list[int]) -> list[Cell]:
        images = iter([cells for cells, video in self._pending if not video])
        videos = iter([cells for cells, video in self._pending if video])
        out: list[Cell] = []
        for token in tokens:
            if token == self.engine.image_pad:
                out += next(images)
            elif token == self.engine.video_pad:
                out += next(videos)
            else:
                out.append(token)
        return out

    # Generation

    def step(self) -> Step:
        """Deliver the next token, computing it unless recovery tokens wait."""
        if self.recovery.queue:
            token = self.recovery.queue.popleft()
            self._history.add(token)
            status = GenerationStatus.GENERATING if self.recovery.queue else self.recovery.status
            return Step(token, status, computed=False, ends=False)
        if self._last is not None:
            self.cache.extend([self._last])
            self._note_full()
            self.engine.feed(self._last)
        token = self.engine.next_token(self._history, self._params, self._rng)
        if self._params.max_generated_tokens == 0:
            # Prefill only (5.2.0): nothing waits for the next prompt.
            return Step(NO_TOKEN, GenerationStatus.MAX_TOKENS_REACHED, computed=True, ends=True)
        self._last = token
        self._produced += 1
        status = self._status_after(token)
        ends = status is not GenerationStatus.GENERATING
        if ends:
            status = self._complete(status, token)
        self._history.add(token)
        return Step(token, status, computed=True, ends=ends)

    def _status_after(self, token: int) -> GenerationStatus:
        if self._produced >= self._params.max_generated_tokens:
            return GenerationStatus.MAX_TOKENS_REACHED
        self._recent.append(token)
        recent = list(self._recent)
        if any(recent[-len(stop) :] == stop for stop in self.stop_sequences if stop):
            return GenerationStatus.LOGICAL_END_OF_GENERATION
        return GenerationStatus.ABORTED if self.abort_requested else GenerationStatus.GENERATING

    def _complete(self, status: GenerationStatus, token: int) -> GenerationStatus:
        """The last token waits outside the cache; an ungraceful end is followed by the recovery tokens."""
        self._prefix = [token]
        self._recent.clear()
        if status is GenerationStatus.LOGICAL_END_OF_GENERATION or not self.recovery.tokens:
            return status
        self._prefix += self.recovery.tokens
        self.recovery.queue.extend(self.recovery.tokens)
        self.recovery.status = status
        return GenerationStatus.GENERATING

    # Context

    def clear(self) -> None:
        """Forget the context and the penalty history; pending frames stay."""
        self.cache.clear()
        self._history.clear()
        self._prepare()
        self.engine.restart([])

    def export(self) -> tuple[tuple[int, list[Cell]], list[int], list[int]]:
        """Cache, penalty history and prefix, for save_context."""
        return self.cache.snapshot(), sorted(self._history), list(self._prefix)

    def restore(self, snapshot: tuple[int, list[Cell]], history: list[int], prefix: list[int]) -> None:
        """Take over what `export` gave. Raises status 2 if it does not fit the cache."""
        if snapshot[0] >= self.cache.capacity:
            raise failure(Status.INVALID_ARGUMENT)
        self._prepare()
        self.cache.restore(snapshot)
        self._history, self._prefix = set(history), list(prefix)
        self.engine.restart(self.cache.cells())

    # Bookkeeping

    @property
    def pending_frames(self) -> int:
        """Frames that wait for a prefill: more than none between calls is a poisoned model."""
        return len(self._pending)

    def _note_poison(self) -> None:
        record("poisoned", pending=len(self._pending))
        count("poisoned")

    def _note_full(self) -> None:
        if self.cache.overflowed:
            record("overflow", usage=self.cache.usage, capacity=self.cache.capacity)
            count("overflowed")
        if self.cache.full and not self._warned_full:
            self._warned_full = True
            log.write(
                "warning",
                "Conversation context is full. It is adivsable to clear context as cache size was reached",
            )
