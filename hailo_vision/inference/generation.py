"""One job's answer: its text as it comes, and what it cost."""

import time
from collections.abc import AsyncGenerator, Sequence

from hailo_vision.errors import Kind, RequestError
from hailo_vision.images.loader import ImageWork
from hailo_vision.inference.answer import Figures, FinishReason, Timings, Usage
from hailo_vision.inference.budget import ContextOverflow
from hailo_vision.inference.scheduler import Job
from hailo_vision.inference.stop_strings import AnswerText
from hailo_vision.npu.protocol import Ended, Pieces, Refused, Started


class Generation:
    """Follows a job to its end: the Answer that is plain text."""

    report = None

    def __init__(self, job: Job, stop: Sequence[str], where: str, work: ImageWork, position: int) -> None:
        """Args:
        where: the part of the request that holds the conversation, for errors.
        position: how many are before it in the queue.
        """
        self._job = job
        self._text = AnswerText(stop)
        self._where = where
        self._work = work
        self._position = position
        self._started: Started | None = None
        self._pieces = 0
        self._begun = self._first_token = self._ended = time.monotonic()
        self.finish_reason: FinishReason = "stop"
        self._complete = False

    async def texts(self) -> AsyncGenerator[list[str], None]:
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
                    raise ContextOverflow(event.context_length, event.prompt_tokens, self._where)
                elif isinstance(event, Ended):
                    self.finish_reason = "length" if event.reason == "length" else "stop"
            self._complete = True
            self._ended = time.monotonic()
            if text := self._text.finish():
                yield [text]
        finally:
            if not self._complete:
                self._ended = time.monotonic()
            self._job.cancel()

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
    def usage(self) -> Usage:
        started = self._started
        if started is None:
            raise RequestError(Kind.INTERNAL_ERROR, "A generation ended before it began.")
        return Usage(started.prompt_tokens, started.image_tokens, started.cached_tokens, self._pieces)

    @property
    def timings(self) -> Timings:
        """The time until the first token is no part of decoding, as llama.cpp counts."""
        job = self._job
        prefill = max(0.0, self._first_token - self._begun) if self._pieces else 0.0
        decode = max(0.0, self._ended - self._first_token) if self._pieces else 0.0
        return Timings((job.queue_seconds or 0.0) - job.load_seconds, job.load_seconds, prefill, decode)

    @property
    def figures(self) -> Sequence[Figures]:
        job = self._job
        return [
            Figures(
                work=self._work,
                position=self._position,
                queue_seconds=job.queue_seconds,
                first_token_seconds=self._first_token - job.submitted if self._pieces else None,
                usage=self.usage if self._started else None,
                timings=self.timings,
                finish_reason=self.finish_reason,
                complete=self._complete,
            )
        ]
