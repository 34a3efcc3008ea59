"""What Ollama's clients send, as types (ollama/ollama, api/types.go); decoding a body is its validation.

Optional fields take null as absent. Unknown fields and options are ignored, as Ollama does: think, tools,
truncate, shift, template, context, num_ctx, ... But an image or a schema in a field of another API is never
ignored; those fields are declared here to be refused.
"""

from enum import StrEnum, auto
from typing import Annotated, Any

from msgspec import Meta, Struct

from hailo_vision.http.fields import MOST_IMAGES, MOST_MESSAGES, Whole, refused
from hailo_vision.http.openapi import doc
from hailo_vision.ranges import RepetitionPenalty, Temperature, TopP

ModelName = Annotated[str | None, doc("Name of the model or an alias, without case; `:latest` may follow.")]
Streamed = Annotated[bool | None, doc("Whether the answer is sent in lines as it comes; true if left out.")]
Images = Annotated[
    Annotated[list[str], Meta(max_length=MOST_IMAGES)] | None,
    doc("Images as base64 or data URIs; they stand before the text."),
]
_MOST_STOPS = 256  # Ollama itself has no limit


class Options(Struct, frozen=True, kw_only=True):
    """How an answer is generated."""

    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: Whole | None = None
    seed: Annotated[Whole | None, doc("Makes an answer repeatable; -1 for a random one.")] = None
    repeat_penalty: RepetitionPenalty | None = None
    num_predict: Annotated[Whole | None, doc("Longest answer in tokens; 0 or less for no limit.")] = None
    stop: str | Annotated[list[str], Meta(max_length=_MOST_STOPS)] | None = None


_ToImages = Annotated[
    Any,
    refused("images go into 'images', a list of base64 texts; OpenAI's parts go to /v1/chat/completions"),
]


class _Foreign(Struct, frozen=True, kw_only=True):
    """Fields in which other APIs send images."""

    image: _ToImages = None
    image_data: _ToImages = None
    image_url: _ToImages = None
    image_urls: _ToImages = None


class Role(StrEnum):
    """Whose words they are; in any case, as Ollama takes it (api/types.go, Message)."""

    SYSTEM = auto()
    USER = auto()
    ASSISTANT = auto()
    TOOL = auto()

    @classmethod
    def _missing_(cls, value: object) -> "Role | None":
        return next((role for role in cls if role == str(value).lower()), None)


class Message(_Foreign, frozen=True, kw_only=True):
    """One message; its images, base64 or data URIs, stand before its text."""

    role: Role
    content: Annotated[str | None, doc("The text.")] = None
    images: Images = None


class GenerationFields(_Foreign, frozen=True, kw_only=True):
    """Fields that both generating routes take."""

    model: ModelName = None
    stream: Streamed = None
    format: Annotated[str | dict[str, Any] | None, doc('"json", or the JSON schema of the answer.')] = None
    options: Annotated[Options | None, doc("How the answer is generated; others are ignored.")] = None
    keep_alive: float | str | None = None
    logprobs: Annotated[bool | None, doc("Refused where true: the NPU gives no log probabilities.")] = None
    response_format: Annotated[
        Any, refused("a schema is 'format'; OpenAI's form goes to /v1/chat/completions")
    ] = None
    json_schema: Annotated[Any, refused("a schema is 'format'")] = None
    input: Annotated[Any, refused("a body with 'input' goes to /v1/responses")] = None


class ChatRequest(GenerationFields, frozen=True, kw_only=True):
    """Body of POST /api/chat; without messages it loads the model, or unloads it with keep_alive 0."""

    messages: Annotated[list[Message], Meta(max_length=MOST_MESSAGES)] | None = None
    prompt: Annotated[Any, refused("a prompt goes to /api/generate; here it is a message")] = None
    images: Annotated[Any, refused("images belong to a message: messages[].images")] = None


class GenerateRequest(GenerationFields, frozen=True, kw_only=True):
    """Body of POST /api/generate; without a prompt it loads the model, or unloads it with keep_alive 0."""

    prompt: Annotated[str | None, doc("The question.")] = None
    system: str | None = None
    images: Images = None
    suffix: Annotated[str | None, doc("Refused unless empty: the model does not insert.")] = None
    raw: Annotated[bool | None, doc("Refused where true: the model's template is always used.")] = None
    messages: Annotated[Any, refused("messages go to /api/chat, OpenAI's to /v1/chat/completions")] = None


class NamedModel(Struct, frozen=True, kw_only=True):
    """Body of POST /api/show and of POST /api/pull."""

    model: ModelName = None
    name: Annotated[str | None, doc("The older name of `model`.")] = None
    stream: Streamed = None
