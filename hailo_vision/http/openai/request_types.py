"""What OpenAI's clients send, as types; decoding a body into them is its validation.

Optional fields take null as absent. Fields that OpenAI knows and this service has no use for (user,
store, metadata, ...) are not declared, and unknown fields are ignored, as OpenAI's own servers do.
"""

import re
from typing import Annotated, Any

from msgspec import Meta, Struct

from hailo_vision.http.fields import MOST_IMAGES, MOST_MESSAGES, Whole
from hailo_vision.ranges import RepetitionPenalty, Temperature, TopP

Penalty = Annotated[float, Meta(ge=-2, le=2)]
# -1 and 0 leave a limit out.
Limit = Annotated[int, Meta(ge=-1)] | Annotated[float, Meta(ge=-1)]


class ImageUrl(Struct, frozen=True):
    """The object form of image_url; detail is accepted and ignored: a frame has one size."""

    url: str


class Source(Struct, frozen=True):
    """Anthropic's and llama.cpp's form of an image: base64 data or a URL."""

    data: str | None = None
    url: str | None = None


class TextPart(Struct, frozen=True, tag="text"):
    """Text, to which some clients add an image."""

    text: str
    image_url: str | ImageUrl | None = None


class InputTextPart(Struct, frozen=True, tag="input_text"):
    text: str


class OutputTextPart(Struct, frozen=True, tag="output_text"):
    text: str


class RefusalPart(Struct, frozen=True, tag="refusal"):
    refusal: str


class ImageUrlPart(Struct, frozen=True, tag="image_url"):
    image_url: str | ImageUrl


class InputImagePart(Struct, frozen=True, tag="input_image"):
    image_url: str | ImageUrl


class ImagePart(Struct, frozen=True, tag="image"):
    """An image as base64, data URI or link, under any of the names in use."""

    image: str | None = None
    data: str | None = None
    source: str | Source | None = None
    image_url: str | ImageUrl | None = None
    url: str | None = None
    base64: str | None = None


TextLike = TextPart | InputTextPart | OutputTextPart
ImageLike = ImageUrlPart | InputImagePart | ImagePart
UserPart = str | TextLike | ImageLike
Texts = Annotated[list[str | TextLike], Meta(min_length=1)]
Parts = str | Annotated[list[UserPart], Meta(min_length=1)]
Images = str | Source | Annotated[list[str | Source], Meta(max_length=MOST_IMAGES)]


class ImageFields(Struct, frozen=True, kw_only=True):
    """Where clients of Ollama and llama.cpp put the images of a message, or of the whole request."""

    images: Images | None = None
    image_data: Images | None = None
    image: Images | None = None
    image_url: Images | None = None


class SystemMessage(ImageFields, frozen=True, tag_field="role", tag="system"):
    content: str | Texts


class DeveloperMessage(ImageFields, frozen=True, tag_field="role", tag="developer"):
    content: str | Texts


class UserMessage(ImageFields, frozen=True, tag_field="role", tag="user"):
    content: Parts


class AssistantMessage(ImageFields, frozen=True, tag_field="role", tag="assistant"):
    content: str | list[str | TextLike | RefusalPart] | None = None


class ToolMessage(ImageFields, frozen=True, tag_field="role", tag="tool"):
    content: Parts | None = None


class FunctionMessage(ImageFields, frozen=True, tag_field="role", tag="function"):
    content: Parts | None = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None


class TextFormat(Struct, frozen=True, tag="text"):
    pass


class JsonSchema(Struct, frozen=True, rename={"schema_": "schema"}):
    """A schema with its name; `strict` is ignored: an answer is checked, not forced to fit."""

    name: str | None = None
    schema_: dict[str, Any] | None = None


class JsonObjectFormat(JsonSchema, frozen=True, tag="json_object"):
    """Any JSON object, or, as llama.cpp's clients ask for it, one that fits a schema."""


class JsonSchemaFormat(JsonSchema, frozen=True, tag="json_schema"):
    """An object that fits a schema, which stands in json_schema or, as in Responses, beside the type."""

    json_schema: JsonSchema | None = None


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


class GenerationFields(Struct, frozen=True, kw_only=True):
    """Fields that every generating endpoint takes."""

    model: str | None = None
    stream: bool | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: Limit | None = None
    repetition_penalty: RepetitionPenalty | None = None
    seed: Whole | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    keep_alive: float | str | None = None


class CompletionFields(GenerationFields, frozen=True, kw_only=True):
    """Additional fields of chat completions and analyses.

    frequency_penalty and presence_penalty are checked and then ignored: OpenAI's are additive, HailoRT
    has a multiplicative one only, which repetition_penalty sets (1.0 is off).
    """

    max_completion_tokens: Limit | None = None
    max_tokens: Limit | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    response_format: ResponseFormat | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | Annotated[float, Meta(ge=1, le=128)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    logit_bias: dict[str, float] | None = None
    modalities: list[str] | None = None


class Function(Struct, frozen=True):
    """A function that a model may call; parameters are a JSON schema."""

    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ChatRequest(CompletionFields, frozen=True, kw_only=True):
    """Body of POST /v1/chat/completions. Some clients send images beside the messages."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MOST_MESSAGES)]
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    images: Images | None = None
    image_data: Images | None = None
    image: Images | None = None
    image_url: Images | None = None
    format: Any = None


class AnalyzeRequest(CompletionFields, frozen=True, kw_only=True):
    """Body of POST /v1/vision/analyze: one prompt, asked about every image by itself.

    An image is a data URI, base64 text, a link, or any image part of a chat message.
    """

    images: Annotated[list[str | ImageLike], Meta(min_length=1)]
    prompt: Annotated[str, Meta(min_length=1)]
    system: str | None = None
    image: Any = None
    image_data: Any = None
    image_url: Any = None
    messages: Any = None


KNOWN_VALUES = (
    (re.compile(r"response_format\.type$"), "text, json_object, json_schema"),
    (re.compile(r"\.type$"), "text, input_text and, from users, image_url, input_image, image"),
    (re.compile(r"\.role$"), "system, developer, user, assistant, tool, function"),
)
