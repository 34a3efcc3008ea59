"""One job's answer: its text as it comes, and the account of it at the end."""

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from hailo_vision.errors import InternalError
from hailo_vision.http.openai.answer_types import (
    FinishReason,
    Performance,
    PromptTokensDetails,
    Timings,
    Usage,
)
from hailo_vision.inference.conversation import context_overflow
from hailo_vision.inference.scheduler import Job
from hailo_vision.inference.stop_strings import AnswerText
from hailo_vision.npu.protocol import Ended, Pieces, Refused, Started


@dataclass
class MediaWork:
    """What getting a generation's pictures took, in seconds of work."""

    images: int = 0
    fetch_seconds: float = 0.0
    decode_seconds: float = 0.0


class Generation:
    """Follows a job to its end.

    Attributes:
        media: what its pictures took.
        position: how many were before it in the queue.
        finish_reason: why the answer ended; valid once texts() is through.
        complete: the answer came to its end.
    """

    report = None  # a JsonAnswer has one

    def __init__(self, job: Job, stop: Sequence[str], media: MediaWork, position: int) -> None:
        self._job = job
        self._text = AnswerText(stop)
        self._started: Started | None = None
        self._pieces = 0
        self._begun = self._first_token = self._ended = time.monotonic()
        self.media = media
        self.position = position
        self.finish_reason: FinishReason = "stop"
        self.complete = False

    async def texts(self) -> AsyncGenerator[list[str], None]:
        """The answer in parts, none of them empty, those together that came together; leaving early aborts
        the generation.

        Raises:
            ApiError: the prompt does not fit, the NPU failed, or the time ran out.
        """
        try:
            async for event in self._job:
                if isinstance(event, Pieces):
                    if texts := self._take(event.texts):
                        yield texts
                    if self._text.stopped:
                        self._job.cancel()
                        break
                elif isinstance(event, Started):
                    self._started, self._begun = event, time.monotonic()
                elif isinstance(event, Refused):
                    raise context_overflow(event.context_length, event.prompt_tokens)
                elif isinstance(event, Ended):
                    self.finish_reason = "length" if event.reason == "length" else "stop"
            self.complete = True
            self._ended = time.monotonic()
            if text := self._text.finish():
                yield [text]
        finally:
            if not self.complete:
                self._ended = time.monotonic()
            self._job.cancel()

    async def text(self) -> str:
        """The whole answer."""
        return "".join([text async for texts in self.texts() for text in texts])

    def _take(self, pieces: Sequence[str]) -> list[str]:
        """Count pieces until a stop string; the texts that can be given out."""
        if not self._pieces:
            self._first_token = time.monotonic()
        texts = []
        for piece in pieces:
            self._pieces += 1
            if text := self._text.feed(piece):
                texts.append(text)
            if self._text.stopped:
                break
        return texts

    @property
    def started(self) -> Started:
        if self._started is None:
            raise InternalError("A generation ended before it began.")
        return self._started

    def usage(self) -> Usage:
        """Counts of tokens as the model itself counts them."""
        prompt = self.started.prompt_tokens
        return Usage(
            prompt,
            self._pieces,
            prompt + self._pieces,
            PromptTokensDetails(
                cached_tokens=self.started.cached_tokens,
                image_tokens=self.started.image_tokens,
                text_tokens=prompt - self.started.image_tokens,
            ),
        )

    @property
    def tokens(self) -> int:
        """Generated so far."""
        return self._pieces

    @property
    def prompt(self) -> Started | None:
        """The counts of the prompt, if the generation has begun."""
        return self._started

    @property
    def queue_seconds(self) -> float | None:
        """How long it waited for the NPU; None if it never got it."""
        return self._job.queue_seconds

    @property
    def first_token_seconds(self) -> float | None:
        """From the request to the first token; None if there was none."""
        return self._first_token - self._job.submitted if self._pieces else None

    def timings(self) -> Timings:
        """As llama.cpp counts: prompt until the first token, which is no part of the predicted rate."""
        fresh = self.started.prompt_tokens - self.started.cached_tokens
        prompt_ms = max(0.0, self._first_token - self._begun) * 1000 if self._pieces else 0.0
        predicted_ms = max(0.0, self._ended - self._first_token) * 1000 if self._pieces else 0.0
        following = max(0, self._pieces - 1)
        return Timings(
            cache_n=self.started.cached_tokens,
            prompt_n=fresh,
            prompt_ms=prompt_ms,
            prompt_per_token_ms=prompt_ms / max(1, fresh),
            prompt_per_second=_rate(fresh, prompt_ms),
            predicted_n=self._pieces,
            predicted_ms=predicted_ms,
            predicted_per_token_ms=predicted_ms / following if following else 0.0,
            predicted_per_second=_rate(following, predicted_ms),
            queue_ms=(self._job.queue_seconds or 0.0) * 1000,
        )

    def performance(self, load_seconds: float) -> Performance:
        """The predecessor's figures."""
        return Performance(round((self._ended - self._begun) * 1000), round(load_seconds * 1000))


def _rate(count: int, milliseconds: float) -> float:
    return count * 1000 / milliseconds if milliseconds > 0 else 0.0
