"""The neutral answer: what comes back from the model, from which every dialect writes its own answers."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

import msgspec

from hailo_vision.images.loader import ImageWork

FinishReason = Literal["stop", "length"]


class Usage(msgspec.Struct, frozen=True):
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

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.image_tokens + other.image_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
        )


class Timings(msgspec.Struct, frozen=True):
    """Where an answer's time went, in seconds.

    Attributes:
        queue: waiting for the NPU, without load.
        load: waiting for a model that had to be loaded first.
        prefill: from the start on the NPU to the first token.
        decode: from the first token to the last.
    """

    queue: float
    load: float
    prefill: float
    decode: float


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


class Figures(msgspec.Struct, frozen=True):
    """What one generation cost, for the request log and the metrics.

    Attributes:
        work: what fetching and decoding its images took.
        position: how many were before it in the queue.
        queue_seconds: how long it waited for the NPU; None if it never got it.
        first_token_seconds: from the request to the first token; None if there was none.
        usage: None if the NPU never began.
        complete: the answer came to its end.
    """

    work: ImageWork
    position: int
    queue_seconds: float | None
    first_token_seconds: float | None
    usage: Usage | None
    timings: Timings
    finish_reason: FinishReason
    complete: bool


class Answer(Protocol):
    """One answer, whatever it takes to get it."""

    def texts(self) -> AsyncGenerator[list[str], None]:
        """The answer's text in parts, none of them empty, those together that came together. Leaving early
        aborts it.

        Raises:
            RequestError: the prompt does not fit, the NPU failed, or the time ran out.
        """

    @property
    def finish_reason(self) -> FinishReason:
        """Why the answer ended; valid once texts() is through, as is all below."""

    @property
    def usage(self) -> Usage: ...

    @property
    def timings(self) -> Timings: ...

    @property
    def report(self) -> JsonReport | None:
        """How it came out, if it was to be JSON."""

    @property
    def figures(self) -> Sequence[Figures]:
        """Of each generation that it took; valid at any time."""


class Attempts:
    """Base of an answer for which the model may be asked several times: the last attempt counts."""

    report: JsonReport | None = None
    _attempts: list[Answer]

    @property
    def finish_reason(self) -> FinishReason:
        return self._attempts[-1].finish_reason

    @property
    def usage(self) -> Usage:
        return self._attempts[-1].usage

    @property
    def timings(self) -> Timings:
        return self._attempts[-1].timings

    @property
    def figures(self) -> Sequence[Figures]:
        return self._attempts[-1].figures


async def whole_text(answer: Answer) -> str:
    """The whole text of an answer.

    Raises:
        RequestError: as Answer.texts.
    """
    return "".join([text async for texts in answer.texts() for text in texts])
