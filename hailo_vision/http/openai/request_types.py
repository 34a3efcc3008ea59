"""What OpenAI's clients send, as types; decoding a body into them is its validation.

Optional fields take null as absent. Fields that OpenAI knows and this service has no use for (user,
store, metadata, ...) are not declared, and unknown fields are ignored, as OpenAI's own servers do.
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hailo_vision.ranges import RepetitionPenalty, Seed, Temperature, TokenCount, TopK, TopP

Penalty = Annotated[float, Meta(ge=-2, le=2)]
StopString = Annotated[str, Meta(min_length=1)]
Stop = StopString | Annotated[list[StopString], Meta(max_length=4)]


class _Type(msgspec.Struct, frozen=True):
    pass


class ImageUrl(_Type, frozen=True):
    """The object form of image_url; detail is accepted and ignored: a frame has one size."""

    url: str


class Source(_Type, frozen=True):
    """Anthropic's form of a picture: base64 data or a URL."""

    data: str | None = None
    url: str | None = None


class TextPart(_Type, frozen=True, tag="text"):
    text: str


class InputTextPart(_Type, frozen=True, tag="input_text"):
    text: str


class RefusalPart(_Type, frozen=True, tag="refusal"):
    refusal: str


class ImageUrlPart(_Type, frozen=True, tag="image_url"):
    image_url: str | ImageUrl


class InputImagePart(_Type, frozen=True, tag="input_image"):
    image_url: str | ImageUrl


class ImagePart(_Type, frozen=True, tag="image"):
    """A picture bundled as base64 or a data URI, under any of the names in use."""

    image: str | None = None
    data: str | None = None
    source: str | Source | None = None
    image_url: str | ImageUrl | None = None


TextLike = TextPart | InputTextPart
ImageLike = ImageUrlPart | InputImagePart | ImagePart
UserPart = TextLike | ImageLike
Texts = Annotated[list[TextLike], Meta(min_length=1)]


class SystemMessage(_Type, frozen=True, tag_field="role", tag="system"):
    content: str | Texts


class DeveloperMessage(_Type, frozen=True, tag_field="role", tag="developer"):
    content: str | Texts


class UserMessage(_Type, frozen=True, tag_field="role", tag="user"):
    content: str | Annotated[list[UserPart], Meta(min_length=1)]


class AssistantMessage(_Type, frozen=True, tag_field="role", tag="assistant"):
    content: str | list[TextLike | RefusalPart] | None = None


class ToolMessage(_Type, frozen=True, tag_field="role", tag="tool"):
    content: str | Texts


class FunctionMessage(_Type, frozen=True, tag_field="role", tag="function"):
    content: str | Texts | None = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class StreamOptions(_Type, frozen=True):
    include_usage: bool | None = None


class TextFormat(_Type, frozen=True, tag="text"):
    pass


class JsonObjectFormat(_Type, frozen=True, tag="json_object"):
    pass


class JsonSchema(_Type, frozen=True, rename={"schema_": "schema"}):
    """A named schema; strict is accepted, yet an answer is only checked, not forced to fit."""

    name: Annotated[str, Meta(min_length=1)]
    schema_: dict[str, Any] | None = None
    strict: bool | None = None


class JsonSchemaFormat(_Type, frozen=True, tag="json_schema"):
    json_schema: JsonSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


class GenerationFields(_Type, frozen=True, kw_only=True):
    """Fields that every generating endpoint takes.

    frequency_penalty and presence_penalty are checked and then ignored: OpenAI's are additive, HailoRT
    has a multiplicative one only, which repetition_penalty sets (1.0 is off).
    """

    max_completion_tokens: TokenCount | None = None
    max_tokens: TokenCount | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    repetition_penalty: RepetitionPenalty | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: Seed | None = None
    stop: Stop | None = None
    keep_alive: float | str | None = None


class ChatRequest(GenerationFields, frozen=True, kw_only=True):
    """Body of POST /v1/chat/completions."""

    model: str | None = None
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    logit_bias: dict[str, float] | None = None
    modalities: list[str] | None = None
    response_format: ResponseFormat | None = None
    tool_choice: str | dict[str, Any] | None = None
    function_call: str | dict[str, Any] | None = None


class AnalyzeRequest(GenerationFields, frozen=True, kw_only=True):
    """Body of POST /v1/vision/analyze: one prompt, asked about every image by itself.

    An image is a data URI, base64 text, a link, or any picture part of a chat message.
    """

    model: str | None = None
    images: Annotated[list[str | ImageLike], Meta(min_length=1)]
    prompt: Annotated[str, Meta(min_length=1)]
    system: str | None = None
    stream: bool | None = None


KNOWN_VALUES = (
    (re.compile(r"response_format\.type$"), "text, json_object, json_schema"),
    (re.compile(r"\.type$"), "text, input_text and, from users, image_url, input_image, image"),
    (re.compile(r"\.role$"), "system, developer, user, assistant, tool, function"),
)
