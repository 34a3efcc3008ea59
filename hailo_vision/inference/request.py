"""The neutral request: what is asked of the model, into which every dialect turns its bodies."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant"]


class Image(msgspec.Struct, frozen=True):
    """An image in a turn.

    Attributes:
        source: a data URI, base64 text, or an http(s) URL.
        where: the part of the request that names it, for errors.
    """

    source: str
    where: str


class Turn(msgspec.Struct, frozen=True):
    """One message: its role, and its texts and images in order."""

    role: Role
    content: Sequence[str | Image]

    @property
    def images(self) -> list[Image]:
        return [part for part in self.content if isinstance(part, Image)]


class JsonFormat(msgspec.Struct, frozen=True):
    """The answer is to be JSON.

    Attributes:
        schema: the JSON schema that it is to fit; None for any object.
        where: the part of the request that holds the schema, for errors.
        purpose: what the JSON is for, as a sentence for the model.
    """

    schema: dict[str, Any] | bool | None
    where: str
    purpose: str = ""


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that is wanted. Where a value is None, the operator's default counts (GenerationConfig).

    Attributes:
        turns: the conversation; a system turn stands first. An assistant's turn at the end is continued.
        where: the part of the request that holds the conversation, for errors.
        temperature, top_p, top_k, repetition_penalty, seed: as npu.protocol.Sampling has them.
        max_tokens: the longest answer.
        stop: strings that end the answer, and are no part of it.
        json: the form of an answer that is to be JSON.
        keep_alive: seconds that the idle model stays loaded afterwards; math.inf for ever.
        client: who asks; only the same client's context is reused.
    """

    turns: Sequence[Turn]
    where: str
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    json: JsonFormat | None = None
    keep_alive: float | None = None
    client: str = ""

    @property
    def images(self) -> list[Image]:
        """The images of all turns, in order."""
        return [image for turn in self.turns for image in turn.images]
