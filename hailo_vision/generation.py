"""One job's answer: its text as it comes, and the account of it at the end."""

import time
from collections.abc import AsyncIterator, Sequence

from hailo_vision.answer import AnswerText
from hailo_vision.conversation import context_overflow
from hailo_vision.errors import InternalError
from hailo_vision.npu.messages import Ended, Piece, Refused, Started
from hailo_vision.responses import FinishReason, Performance, PromptTokensDetails, Timings, Usage
from hailo_vision.scheduler import Job


class Generation:
    """Follows a job to its end.

    Attributes:
        finish_reason: why the answer ended; valid once texts() is through.
    """

    def __init__(self, job: Job, stop: Sequence[str]) -> None:
        self._job = job
        self._text = AnswerText(stop)
        self._started: Started | None = None
        self._pieces = 0
        self._begun = self._first_token = self._ended = time.monotonic()
        self.finish_reason: FinishReason = "stop"

    async def texts(self) -> AsyncIterator[str]:
        """The answer in parts, none of them empty; leaving early aborts the generation.

        Raises:
            ApiError: the prompt does not fit, the NPU failed, or the time ran out.
        """
        try:
            async for event in self._job:
                if isinstance(event, Piece):
                    if text := self._piece(event.text):
                        yield text
                    if self._text.stopped:
                        self._job.cancel()
                        break
                elif isinstance(event, Started):
                    self._started, self._begun = event, time.monotonic()
                elif isinstance(event, Refused):
                    raise context_overflow(event.context_length, event.prompt_tokens)
                elif isinstance(event, Ended):
                    self.finish_reason = "length" if event.reason == "length" else "stop"
            self._ended = time.monotonic()
            if text := self._text.finish():
                yield text
        finally:
            self._job.cancel()

    async def text(self) -> str:
        """The whole answer."""
        return "".join([text async for text in self.texts()])

    def _piece(self, piece: str) -> str:
        self._pieces += 1
        if self._pieces == 1:
            self._first_token = time.monotonic()
        return self._text.feed(piece)

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

    def timings(self) -> Timings:
        """As llama.cpp counts: prompt until the first token, which is no part of the predicted rate."""
        fresh = self.started.prompt_tokens - self.started.cached_tokens
        prompt_ms = (self._first_token - self._begun) * 1000 if self._pieces else 0.0
        predicted_ms = (self._ended - self._first_token) * 1000 if self._pieces else 0.0
        following = max(0, self._pieces - 1)
        return Timings(
            cache_n=self.started.cached_tokens,
            prompt_n=fresh,
            prompt_ms=prompt_ms,
            prompt_per_token_ms=prompt_ms / fresh,
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
