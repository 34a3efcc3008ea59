"""What is measured of a loaded model, in a process of its own.

Every method of Measurements is a step of a report; it returns named values that JSON can hold. Seconds are
counted where HailoRT is called, so they contain nothing of the service.
"""

import inspect
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice, pairwise
from multiprocessing.connection import Connection
from typing import NoReturn

import numpy as np

from hailo_vision.cli.qualify.report import Values
from hailo_vision.inference.prompt import PromptTemplate
from hailo_vision.inference.request import Image, Turn
from hailo_vision.npu.problems import INVALID_OPERATION, NpuError
from hailo_vision.npu.protocol import Load, Sampling
from hailo_vision.npu.worker.device import STOP_TOKENS, Completion, Frame, Model
from hailo_vision.npu.worker.prefill import Part, Prefill
from hailo_vision.npu.worker.prefix_cache import PrefixCache, digest
from hailo_vision.tuning import leave_signals_to_parent

_GREEDY = Sampling()
_PICTURE = Image("", "")
_QUESTION = "Describe the colours that you see."
_SENTENCE = "The quick brown fox jumps over the lazy dog. "
_COLOURS = ((200, 40, 30), (30, 160, 60), (40, 70, 200), (230, 200, 40), (240, 240, 240))
_READ_MS = 20_000  # longer than one inference can take on the chip (15 s)
_TICK_SECONDS = 0.005


@dataclass
class Answer:
    """Tokens of one generation, and the moments at which they came, counted from its start."""

    prompt_tokens: int = 0
    parts: int = 1
    pieces: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(piece for piece in self.pieces if piece not in STOP_TOKENS)


class Measurements:
    """The steps. The first is load(); all raise NpuError, or what HailoRT raises."""

    def __init__(self) -> None:
        self._model = Model()
        self._template: PromptTemplate
        self._prefill: Prefill

    def load(self, order: Load) -> Values:
        info = self._model.load(order)
        self._template = PromptTemplate(info.prompt_template)
        self._prefill = Prefill(self._model.tokenize, info.frame_tokens, self._model.frames_per_call)
        return {"seconds": round(info.load_seconds, 3)}

    def unload(self) -> Values:
        self._model.close()
        return {}

    def model(self) -> Values:
        """What the model file brings along, and what an answer with its own parameters is like."""
        prompt = self._prompt("Count from one to thirty.")
        vlm = self._model.vlm
        self._model.clear_context()
        by_default = self._read(Completion(vlm.generate(prompt=prompt, frames=[]), vlm), 48)
        greedy = self._ask(prompt, most=48)
        return {
            "stop tokens": vlm.get_stop_tokens(),
            "recovery sequence": vlm.get_generation_recovery_sequence(),
            "frame": f"{vlm.input_frame_shape()} {vlm.input_frame_format_type()} "
            f"{vlm.input_frame_format_order()}",
            "prompt template": vlm.prompt_template(),
            "default parameters give the greedy answer": by_default.text == greedy.text,
            "pieces read with default parameters (at most 48)": len(by_default.pieces),
            "encoder takes videos (two inputs)": self._takes_videos(),
        }

    def first_token(self, *counts: int) -> Values:
        """Time to the first token of prompts with so many pictures each, prefilled as the service does it."""
        values: Values = {}
        most = self._model.info.max_frames
        for frames in counts:
            if frames > most:
                values[f"{frames} pictures, not asked"] = f"the model takes at most {most} pictures"
                continue
            answer = self._ask(self._prompt(_QUESTION, frames), frames, most=1, parts=True)
            values[f"{frames} pictures, seconds"] = round(answer.seconds[0], 3)
            values[f"{frames} pictures, prompt tokens"] = answer.prompt_tokens
            values[f"{frames} pictures, calls"] = answer.parts
        return values

    def speed(self) -> Values:
        prompt = self._prompt("Describe everything in this picture in ten long sentences.", 1)
        answer = self._ask(prompt, 1, most=64)
        steps = [after - before for before, after in pairwise(answer.seconds)]
        return {
            "tokens": len(answer.pieces),
            "tokens a second": round(len(steps) / sum(steps), 2) if sum(steps) else "no time passed",
            "longest wait for a token (s)": round(max(steps, default=0.0), 3),
            "answer": answer.text,
        }

    def abort(self) -> Values:
        """How long the chip stays busy after an abort, by what it was doing."""
        frames = min(5, self._model.frames_per_call, self._model.info.max_frames)
        started = time.monotonic()
        self._begin(self._prompt(_QUESTION, frames), frames, 8).release()
        encoding = round(time.monotonic() - started, 3)
        long = self._prompt(self._text(900))
        tokens = self._model.tokenize(long)
        first, *rest = self._prefill.parts(long, tokens, few=False)
        counting = self._prompt("Count to a hundred.")
        waits = [self._release_seconds(counting, 3 + n) for n in range(5)]
        return {
            f"asked as the encoding of {frames} pictures begins (s)": encoding,
            "asked as a prefill in one call begins (s)": self._release_seconds(long),
            "tokens of that prompt": len(tokens),
            f"the same, prefilled in {1 + len(rest)} parts (s)": self._release_seconds(first.text),
            "in decoding, median of 5 (s)": round(statistics.median(waits), 3),
            "in decoding, longest of 5 (s)": max(waits),
        }

    def equality(self) -> Values:
        """Whether the service's two short cuts change an answer."""
        frames = min(3, self._model.frames_per_call, self._model.info.max_frames)
        prompt = self._prompt(self._text(700) + _QUESTION, frames)
        whole = self._ask(prompt, frames, most=32)
        cut = self._ask(prompt, frames, most=32, parts=True)
        first, fresh, reused, cached = self._two_turns()
        return {
            f"prefilled in {cut.parts} parts as in one": cut.text == whole.text,
            "in one call": whole.text,
            "in parts": cut.text,
            "with the context reused as without": fresh.text == reused.text,
            "tokens reused": cached,
            "first answer": first,
            "without reuse": fresh.text,
            "with reuse": reused.text,
            "first token without reuse (s)": round(fresh.seconds[0], 3),
            "first token with reuse (s)": round(reused.seconds[0], 3),
        }

    def context(self) -> Values:
        """Capacity, and what happens beyond it."""
        capacity = self._model.info.context_length
        question = self._prompt(_QUESTION)
        before = self._ask(question)
        full = self._ask(self._prompt(self._text(capacity - 100)), most=8)
        filled = self._usage()
        answer = self._ask(self._prompt(self._text(400) + _QUESTION), most=32, fresh=False)
        usage = self._usage()
        after = self._ask(question)
        return {
            "capacity": capacity,
            "tokens of a prompt that fits": full.prompt_tokens,
            "usage after it": filled,
            "usage after another one on top of it": usage,
            "overflowed": usage > capacity,
            "answer beyond the capacity": answer.text,
            "cleared, it answers as before": after.text == before.text,
        }

    def saved_context(self) -> Values:
        """What keeping a conversation's context outside of the chip costs."""
        values: Values = {}

        def save_and_load() -> None:
            started = time.monotonic()
            usage, context = self._usage(), bytes(self._model.vlm.save_context())
            saved = time.monotonic()
            self._model.clear_context()
            cleared = time.monotonic()
            self._model.vlm.load_context(context)
            values["save_context (s)"] = round(saved - started, 3)
            values["load_context (s)"] = round(time.monotonic() - cleared, 3)
            values["bytes"] = len(context)
            values["usage as before"] = self._usage() == usage

        _, fresh, reused, _ = self._two_turns(save_and_load)
        values["answer after load_context as in a fresh context"] = fresh.text == reused.text
        return values

    def bindings(self) -> Values:
        """Signatures, and whether other threads run while HailoRT is waited for."""
        kind, ticks, stop = type(self._model.vlm), [0], threading.Event()

        def tick() -> None:
            while not stop.wait(_TICK_SECONDS):
                ticks[0] += 1

        completion = self._begin(self._prompt(self._text(900)), 0, 1)
        thread = threading.Thread(target=tick)
        thread.start()
        started, before = time.monotonic(), ticks[0]
        completion.read(_READ_MS)
        waited, count = time.monotonic() - started, ticks[0] - before
        stop.set()
        thread.join()
        completion.release()
        return {
            "VLM.generate": str(inspect.signature(kind.generate)),
            "VLM has": " ".join(sorted(name for name in dir(kind) if not name.startswith("_"))),
            "seconds waited in read()": round(waited, 3),
            "turns of a 5 ms thread meanwhile": count,
            "other threads run meanwhile": count > waited / _TICK_SECONDS / 4,
        }

    def poison(self) -> Values:
        """A frame too many, which stays on the chip; then a placeholder without one, which may take it."""
        good = self._prompt(_QUESTION, 1)
        return {
            "a frame without its placeholder": self._outcome(self._prompt(_QUESTION), 1),
            "a right prompt after it": self._outcome(good, 1),
            # Both leave their frame behind.
            "two placeholders without frames": self._outcome(self._prompt(_QUESTION, 2), 0),
            "a right prompt in the end": self._outcome(good, 1),
        }

    def _usage(self) -> int:
        """Tokens that the context holds."""
        return int(self._model.vlm.get_context_usage_size())

    def _prompt(self, text: str, frames: int = 0) -> str:
        return self._template.render([Turn("user", [*[_PICTURE] * frames, text])])

    def _pictures(self, count: int) -> list[Frame]:
        """Frames of one colour each, no two alike."""
        shape = self._model.info.frame_shape
        colours = [np.array(_COLOURS[n % len(_COLOURS)]) * (20 - n) // 20 for n in range(count)]
        return [np.ascontiguousarray(np.broadcast_to(colour, shape), dtype=np.uint8) for colour in colours]

    def _text(self, tokens: int) -> str:
        """A text of at most `tokens` tokens."""
        return _SENTENCE * (tokens // len(self._model.tokenize(_SENTENCE)))

    def _begin(self, prompt: str, frames: int, most: int) -> Completion:
        self._model.clear_context()
        return self._model.generate(prompt, self._pictures(frames), _GREEDY, most)

    def _ask(
        self, prompt: str, frames: int = 0, *, most: int = 24, parts: bool = False, fresh: bool = True
    ) -> Answer:
        """The greedy answer, in an empty context or on top of what it holds; prefilled in one call or as the
        service does it."""
        if fresh:
            self._model.clear_context()
        tokens = self._model.tokenize(prompt)
        unsent = iter(self._pictures(frames))
        cut = self._prefill.parts(prompt, tokens, few=False) if parts else [Part(prompt, frames)]
        started = time.monotonic()
        for part in cut:
            last = part is cut[-1]
            pictures = list(islice(unsent, part.frames))
            completion = self._model.generate(part.text, pictures, _GREEDY, most if last else 1)
            answer = self._read(completion, most if last else 1, started)
        answer.prompt_tokens = len(tokens) + frames * (self._model.info.frame_tokens - 1)
        answer.parts = len(cut)
        return answer

    def _read(self, completion: Completion, most: int, started: float | None = None) -> Answer:
        """Read at most `most` tokens, and the recovery sequence that may follow them but is not one."""
        started = started or time.monotonic()
        answer = Answer()
        while completion.running:
            try:
                piece = completion.read(_READ_MS)
            except NpuError as error:
                if error.problem.status == INVALID_OPERATION:  # with a lost link a release aborts the process
                    completion.release()
                raise
            if piece is None:
                raise TimeoutError(f"no token within {_READ_MS / 1000:g} s")
            if len(answer.pieces) == most:
                break
            answer.pieces.append(piece)
            answer.seconds.append(time.monotonic() - started)
        completion.release()
        return answer

    def _release_seconds(self, prompt: str, after_tokens: int = 0) -> float:
        completion = self._begin(prompt, 0, 200)
        for _ in range(after_tokens):
            completion.read(_READ_MS)
        started = time.monotonic()
        completion.release()
        return round(time.monotonic() - started, 3)

    def _two_turns(self, between: Callable[[], None] | None = None) -> tuple[str, Answer, Answer, int]:
        """First answer; the second one in a fresh context, and in the first one's; how much that held.

        between is called when the context holds the first answer.
        """
        first = Turn("user", [_PICTURE, _QUESTION])
        prompt = self._template.render([first])
        digests = [digest(frame.data.cast("B")) for frame in self._pictures(1)]
        begun = self._ask(prompt, 1)
        more = [Turn("assistant", [begun.text]), Turn("user", ["Which is the lightest?"])]
        then = self._template.render([first, *more])
        fresh = self._ask(then, 1)
        begun = self._ask(prompt, 1)
        if between:
            between()
        cache = PrefixCache()
        cache.record("qualify", prompt, digests, begun.prompt_tokens, begun.pieces)
        suffix = cache.suffix_of(then, digests, "qualify")
        if suffix is None:
            raise ValueError("the second turn does not begin with the first one's tokens")
        return begun.text, fresh, self._ask(suffix.text, fresh=False), cache.tokens

    def _takes_videos(self) -> bool | str:
        vlm = self._model.vlm
        if "videos" not in inspect.signature(type(vlm).generate).parameters:
            return "this version has no such argument"
        prompt = self._prompt(_QUESTION, 1).replace("<|image_pad|>", "<|video_pad|>")
        try:
            self._model.clear_context()
            video = [self._pictures(2)]
            started = vlm.generate(prompt=prompt, frames=[], videos=video, max_generated_tokens=1)
            self._read(Completion(started, vlm), 1)
        except Exception as error:
            return f"no: {error}"
        return True

    def _outcome(self, prompt: str, frames: int) -> str:
        try:
            return f"answers: {self._ask(prompt, frames, most=16).text}"
        except NpuError as error:
            return f"fails: {error.problem.message}"


def main() -> NoReturn:
    """Work until the other side hangs up, and leave by os._exit, as the service's NPU process does.

    What comes is (name, arguments) of a method above, what goes is (values, "") or (None, cause). After a
    failure the process ends, as the chip's state is not known any more.
    """
    leave_signals_to_parent()
    connection = Connection(int(sys.argv[1]))
    steps = Measurements()
    try:
        while True:
            name, arguments = connection.recv()
            connection.send((getattr(steps, name)(*arguments), ""))
    except EOFError:
        steps.unload()
        os._exit(0)
    except NpuError as error:
        cause = f"{error.problem.message} {error.problem.cure}"
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
    connection.send((None, cause))
    os._exit(1)


if __name__ == "__main__":
    main()
