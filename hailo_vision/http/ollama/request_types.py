"""What Ollama's clients send, as types (ollama/ollama, api/types.go); decoding a body is its validation.

Optional fields take null as absent. Unknown fields and options are ignored, as Ollama does: think, tools,
truncate, shift, template, context, num_ctx, ... But an image or a schema in a field of another API is never
ignored; those fields are declared here to be refused. The module description explains the fields.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from hailo_vision.http.fields import MOST_IMAGES, MOST_MESSAGES, Whole
from hailo_vision.ranges import RepetitionPenalty, Temperature, TopP

Images = Annotated[list[str], Meta(max_length=MOST_IMAGES)]
_MOST_STOPS = 256  # Ollama itself has no limit


class Options(Struct, frozen=True, kw_only=True):
    """How an answer is generated."""

    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: Whole | None = None
    seed: Whole | None = None
    repeat_penalty: RepetitionPenalty | None = None
    num_predict: Whole | None = None
    stop: str | Annotated[list[str], Meta(max_length=_MOST_STOPS)] | None = None


class _Foreign(Struct, frozen=True, kw_only=True):
    """Fields in which other APIs send images."""

    image: Any = None
    image_data: Any = None
    image_url: Any = None


class Message(_Foreign, frozen=True, kw_only=True):
    """One message; its images, base64 or data URIs, stand before its text."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    images: Images | None = None


class GenerationFields(_Foreign, frozen=True, kw_only=True):
    """Fields that both generating routes take."""

    model: str | None = None
    stream: bool | None = None
    format: str | dict[str, Any] | None = None
    options: Options | None = None
    keep_alive: float | str | None = None
    logprobs: bool | None = None
    response_format: Any = None
    input: Any = None


class ChatRequest(GenerationFields, frozen=True, kw_only=True):
    """Body of POST /api/chat; without messages it loads the model, or unloads it with keep_alive 0."""

    messages: Annotated[list[Message], Meta(max_length=MOST_MESSAGES)] | None = None
    prompt: Any = None
    images: Any = None


class GenerateRequest(GenerationFields, frozen=True, kw_only=True):
    """Body of POST /api/generate; without a prompt it loads the model, or unloads it with keep_alive 0."""

    prompt: str | None = None
    system: str | None = None
    images: Images | None = None
    suffix: str | None = None
    raw: bool | None = None
    messages: Any = None


class NamedModel(Struct, frozen=True, kw_only=True):
    """Body of POST /api/show and of POST /api/pull; name is the older field."""

    model: str | None = None
    name: str | None = None
    stream: bool | None = None
