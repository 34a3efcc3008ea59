"""The neutral answer: what comes back from the model, from which every dialect writes its own answers."""

import asyncio
import operator
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Literal, Self

import msgspec

from hailo_vision.errors import Kind, RequestError
from hailo_vision.images.loader import ImageWork
from hailo_vision.inference.budget import ContextOverflow
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.inference.stop_strings import AnswerText
from hailo_vision.npu.process import Prompt
from hailo_vision.npu.protocol import GenerationEvent, Pieces, Refused, Started, is_end

FinishReason = Literal["stop", "length"]


class _Figures(msgspec.Struct, frozen=True):
    """Numbers that are added one by one."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(operator.add, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class Usage(_Figures, frozen=True):
    """Tokens, as the model itself counts them.

    Attributes:
        prompt_tokens: of the whole prompt; image_tokens of them stand for images, cached_tokens of them
            were found in the model's context.
        completion_tokens: generated.
    """

    prompt_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Timings(_Figures, frozen=True):
    """Where an answer's time went, in seconds.

    Attributes:
        queue: waiting for the NPU.
        load: how much of that for a model that had to be loaded first.
        prefill: from the start on the NPU to the first token.
        decode: from the first token to the last.
    """

    queue: float = 0.0
    load: float = 0.0
    prefill: float = 0.0
    decode: float = 0.0


class JsonReport(msgspec.Struct, frozen=True):
    """How an answer that was to be JSON came out: it is asked for and checked, not enforced.

    Attributes:
        valid: the text is JSON and fits the schema.
        repaired: it is not, word for word, what the model wrote.
        attempts: how often the model was asked.
        problem: what is wrong with it if it is not valid.
    """

    valid: bool
    repaired: bool
    attempts: int
    problem: str | None


class Generation:
    """One prompt on its way through the queue and the model: what comes of it, and what it cost.

    Attributes:
        work: what fetching and decoding its images took.
        keep_alive: seconds that the idle model stays loaded afterwards.
        preparation: decodes the images and renders the prompt.
        prompt: None until it is prepared.
        position: how many were before it in the queue.
        queue_seconds: how long it waited for the NPU; None if it never got it.
        load_seconds: how much of that it waited for a model that had to be loaded.
        over: nothing more comes: it has ended or was cancelled.
        finish_reason: why it ended; valid once texts() is through.
        complete: texts() came to its end.
    """

    preparation: asyncio.Task[None]
    position: int
    deadline: asyncio.TimerHandle
    on_give_up: Callable[["Generation"], None]

    def __init__(self, request: GenerationRequest, work: ImageWork, keep_alive: float) -> None:
        """Queued by Scheduler.submit(), which sets what is missing."""
        self._where = request.where
        self._text = AnswerText(request.stop)
        self.work = work
        self.keep_alive = keep_alive
        # With the moment of each: a client that reads slowly takes them late.
        self._events: asyncio.Queue[tuple[float, GenerationEvent | RequestError]] = asyncio.Queue()
        self._started: Started | None = None
        self._pieces = 0
        self.submitted = self._begun = self._first_token = self._ended = time.monotonic()
        self.prompt: Prompt | None = None
        self.queue_seconds: float | None = None
        self.load_seconds = 0.0
        self.over = False
        self.finish_reason: FinishReason = "stop"
        self.complete = False

    def put(self, event: GenerationEvent) -> None:
        """Take what comes from the NPU."""
        if self.over:
            return
        self._events.put_nowait((time.monotonic(), event))
        if is_end(event):
            self._finish()

    def fail(self, error: RequestError) -> None:
        """End it with an error."""
        if not self.over:
            self._events.put_nowait((time.monotonic(), error))
            self.cancel()

    def cancel(self) -> None:
        """Leave the queue, or abort on the NPU: nobody wants the answer any more."""
        if not self.over:
            self._finish()
            self.preparation.cancel()
            del self.preparation  # each would hold the other, and the images
            self.on_give_up(self)

    def _finish(self) -> None:
        self.over = True
        self.deadline.cancel()

    async def texts(self) -> AsyncGenerator[list[str], None]:
        """As Answer.texts()."""
        try:
            while not self.complete:
                self._ended, event = await self._events.get()
                if isinstance(event, RequestError):
                    raise event
                if isinstance(event, Pieces):
                    if texts := self._take(event.texts):
                        yield texts
                    self.complete = self._text.stopped
                elif isinstance(event, Started):
                    self._started, self._begun = event, self._ended
                elif isinstance(event, Refused):
                    raise ContextOverflow(event.context_length, event.prompt_tokens, self._where)
                else:
                    self.finish_reason = "length" if event.reason == "length" else "stop"
                    self.complete = True
            if text := self._text.finish():
                yield [text]
        finally:
            self.cancel()

    def _take(self, pieces: Sequence[str]) -> list[str]:
        """Count pieces; the texts that can be given out."""
        if not self._pieces:
            self._first_token = self._ended
        self._pieces += len(pieces)
        return [text for piece in pieces if (text := self._text.feed(piece))]

    @property
    def first_token_seconds(self) -> float | None:
        """From the request to the first token; None if there was none."""
        return self._first_token - self.submitted if self._pieces else None

    @property
    def usage(self) -> Usage | None:
        """None if the NPU never began."""
        started = self._started
        if started is None:
            return None
        return Usage(started.prompt_tokens, started.image_tokens, started.cached_tokens, self._pieces)

    @property
    def timings(self) -> Timings:
        """The time until the first token is no part of decoding, as llama.cpp counts."""
        prefill = self._first_token - self._begun if self._pieces else 0.0
        decode = self._ended - self._first_token if self._pieces else 0.0
        return Timings(self.queue_seconds or 0.0, self.load_seconds, prefill, decode)


class Answer:
    """One answer, whatever it takes to get it: here the text of one generation.

    Attributes:
        report: how it came out, if it was to be JSON; valid once texts() is through.
    """

    report: JsonReport | None = None

    def __init__(self, generation: Generation) -> None:
        self._generations = [generation]

    def texts(self) -> AsyncGenerator[list[str], None]:
        """The answer's text in parts, none of them empty, those together that came together. Leaving early
        aborts it.

        Raises:
            RequestError: the prompt does not fit, the NPU failed, or the time ran out.
        """
        return self._generations[-1].texts()

    @property
    def generations(self) -> Sequence[Generation]:
        """What it took up to now; the last one counts."""
        return self._generations

    @property
    def finish_reason(self) -> FinishReason:
        """Why the answer ended; valid once texts() is through, as is all below."""
        return self.generations[-1].finish_reason

    @property
    def usage(self) -> Usage:
        usage = self.generations[-1].usage
        if usage is None:
            raise RequestError(Kind.INTERNAL_ERROR, "A generation ended before it began.")
        return usage

    @property
    def timings(self) -> Timings:
        return self.generations[-1].timings


async def whole_text(answer: Answer) -> str:
    """The whole text of an answer.

    Raises:
        RequestError: as Answer.texts.
    """
    return "".join([text async for texts in answer.texts() for text in texts])
