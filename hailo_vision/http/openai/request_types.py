"""What OpenAI's clients send, as types; decoding a body into them is its validation.

Optional fields take null as absent. Fields that OpenAI knows and this service has no use for (user,
store, metadata, ...) are not declared, and unknown fields are ignored, as OpenAI's own servers do.
"""

import re
from typing import Annotated, Any

from msgspec import Meta, Struct

from hailo_vision.http.fields import MOST_IMAGES, MOST_MESSAGES, Whole, refused
from hailo_vision.http.openapi import doc
from hailo_vision.ranges import RepetitionPenalty, Temperature, TopP

Penalty = Annotated[
    Annotated[float, Meta(ge=-2, le=2)] | None, doc("Checked and ignored: the NPU has no additive penalty.")
]
MOST_TOOLS = 128  # as in OpenAI's API description
Choices = Annotated[int, Meta(ge=1, le=128)] | Annotated[float, Meta(ge=1, le=128)]
# -1 and 0 leave a limit out.
Limit = Annotated[int, Meta(ge=-1)] | Annotated[float, Meta(ge=-1)]
LongestAnswer = Annotated[Limit | None, doc("Longest answer in tokens; -1 and 0: as the operator set it.")]


class ImageUrl(Struct, frozen=True):
    """The object form of image_url; detail is accepted and ignored: a frame has one size."""

    url: str


class Source(Struct, frozen=True):
    """Anthropic's and llama.cpp's form of an image: base64 data or a URL."""

    data: Annotated[str | None, doc("An image as base64 text.")] = None
    url: str | None = None


Images = Annotated[
    str | Source | Annotated[list[str | Source], Meta(max_length=MOST_IMAGES)] | None,
    doc("Images as base64, data URIs or links, where clients of Ollama and llama.cpp put them."),
]


class ImageFields(Struct, frozen=True, kw_only=True):
    """Where clients of Ollama and llama.cpp put the images of a message, a text, or the whole request."""

    images: Images = None
    image_data: Images = None
    image: Images = None
    image_url: Images = None
    image_urls: Images = None


class TextPart(ImageFields, frozen=True, tag="text"):
    """Text, to which some clients add images."""

    text: str


class InputTextPart(TextPart, frozen=True, tag="input_text"):
    """The same in Responses."""


class OutputTextPart(TextPart, frozen=True, tag="output_text"):
    """An earlier answer in Responses."""


class RefusalPart(Struct, frozen=True, tag="refusal"):
    refusal: Annotated[str, doc("Why the assistant refused.")]


class ImageUrlPart(Struct, frozen=True, tag="image_url"):
    image_url: str | ImageUrl


class InputImagePart(Struct, frozen=True, tag="input_image"):
    image_url: str | ImageUrl


class ImagePart(Struct, frozen=True, tag="image"):
    """An image as base64, data URI or link, under any of the names in use."""

    image: Annotated[str | None, doc("An image as base64, data URI or link.")] = None
    data: Annotated[str | None, doc("An image as base64 text.")] = None
    source: Annotated[str | Source | None, doc("An image in Anthropic's form.")] = None
    image_url: str | ImageUrl | None = None
    url: str | None = None
    base64: Annotated[str | None, doc("An image as base64 text.")] = None


TextLike = TextPart | InputTextPart | OutputTextPart
ImageLike = ImageUrlPart | InputImagePart | ImagePart
UserPart = str | TextLike | ImageLike
Texts = Annotated[list[str | TextLike], Meta(min_length=1)]
Parts = str | Annotated[list[UserPart], Meta(min_length=1)]


class SystemMessage(ImageFields, frozen=True, tag_field="role", tag="system"):
    content: str | Texts


class DeveloperMessage(SystemMessage, frozen=True, tag_field="role", tag="developer"):
    """The newer name of a system message."""


class UserMessage(ImageFields, frozen=True, tag_field="role", tag="user"):
    content: Parts


class AssistantMessage(ImageFields, frozen=True, tag_field="role", tag="assistant"):
    content: str | list[str | TextLike | RefusalPart] | None = None


class ToolMessage(ImageFields, frozen=True, tag_field="role", tag="tool"):
    content: Parts | None = None


class FunctionMessage(ToolMessage, frozen=True, tag_field="role", tag="function"):
    """The older name of a tool message."""


class FunctionCallOutput(ImageFields, frozen=True, tag="function_call_output"):
    """The same as an item of Responses."""

    output: Parts | None = None

    @property
    def content(self) -> Parts | None:
        return self.output


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class StreamOptions(Struct, frozen=True):
    include_usage: Annotated[bool | None, doc("Whether a last chunk tells the counts of tokens.")] = None


class TextFormat(Struct, frozen=True, tag="text"):
    pass


class JsonSchema(Struct, frozen=True, rename={"schema_": "schema"}):
    """A schema with its name; `strict` is ignored: an answer is checked, not forced to fit."""

    name: str | None = None
    schema_: Annotated[dict[str, Any] | None, doc("A JSON schema; references stay inside of it.")] = None


class JsonObjectFormat(JsonSchema, frozen=True, tag="json_object"):
    """Any JSON object, or, as llama.cpp's clients ask for it, one that fits a schema."""


class JsonSchemaFormat(JsonSchema, frozen=True, tag="json_schema"):
    """An object that fits a schema, which stands in json_schema or, as in Responses, beside the type."""

    json_schema: Annotated[JsonSchema | None, doc("The schema that the answer is to fit.")] = None


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


_Schema = Annotated[Any, refused("a schema is 'response_format' or, in Responses, 'text.format'")]


class GenerationFields(Struct, frozen=True, kw_only=True):
    """Fields that every generating endpoint takes; and those in which clients of vLLM and llama.cpp send a
    schema, to be refused."""

    model: str | None = None
    stream: Annotated[bool | None, doc("Whether the answer is sent in parts as it comes.")] = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: Limit | None = None
    repetition_penalty: RepetitionPenalty | None = None
    seed: Annotated[Whole | None, doc("Makes an answer repeatable; from -2^63 to 2^64 - 1.")] = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    keep_alive: float | str | None = None
    json_schema: _Schema = None
    guided_json: _Schema = None
    structured_outputs: _Schema = None
    grammar: _Schema = None


class CompletionFields(GenerationFields, frozen=True, kw_only=True):
    """Additional fields of chat completions and analyses.

    frequency_penalty and presence_penalty are checked and then ignored: OpenAI's are additive, HailoRT
    has a multiplicative one only, which repetition_penalty sets (1.0 is off).
    """

    max_completion_tokens: LongestAnswer = None
    max_tokens: Annotated[Limit | None, doc("The older name of `max_completion_tokens`.")] = None
    frequency_penalty: Penalty = None
    presence_penalty: Penalty = None
    response_format: Annotated[ResponseFormat | None, doc("Text, a JSON object, or one by a schema.")] = None
    n: Annotated[Choices | None, doc("Number of answers; only 1 is supported.")] = None
    logprobs: Annotated[bool | None, doc("Refused where true: the NPU gives no log probabilities.")] = None
    top_logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None, doc("Refused above 0: the NPU gives no log probabilities.")
    ] = None
    logit_bias: Annotated[dict[str, float] | None, doc("Refused unless empty: the NPU takes none.")] = None
    modalities: Annotated[list[str] | None, doc('Only "text" is supported.')] = None
    format: Annotated[Any, refused("a schema is 'response_format'; Ollama's form goes to /api/chat")] = None
    text: Annotated[Any, refused("a schema is 'response_format'; 'text.format' goes to /v1/responses")] = None


class Function(Struct, frozen=True):
    """A function that a model may call; parameters are a JSON schema."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    description: Annotated[str, Meta(max_length=65_536)] | None = None
    parameters: dict[str, Any] | None = None


class AllowedTools(Struct, frozen=True):
    """The tools that the model may use; mode: "auto" or "required"."""

    mode: str | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=MOST_TOOLS)] | None = None


class ChatRequest(CompletionFields, frozen=True, kw_only=True):
    """Body of POST /v1/chat/completions. Some clients send images beside the messages."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MOST_MESSAGES)]
    stream_options: Annotated[StreamOptions | None, doc("What a stream contains in addition.")] = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: Annotated[list[dict[str, Any]] | None, doc("The older form of `tools`.")] = None
    function_call: Annotated[str | dict[str, Any] | None, doc("The older form of `tool_choice`.")] = None
    images: Images = None
    image_data: Images = None
    image: Images = None
    image_url: Images = None
    image_urls: Images = None


_ToAnalyze = Annotated[Any, refused("images go into 'images', a list")]


class AnalyzeRequest(CompletionFields, frozen=True, kw_only=True):
    """Body of POST /v1/vision/analyze: one prompt, asked about every image by itself.

    An image is a data URI, base64 text, a link, or any image part of a chat message.
    """

    images: Annotated[list[str | ImageLike], Meta(min_length=1), doc("Each is asked about by itself.")]
    prompt: Annotated[str, Meta(min_length=1), doc("The question.")]
    system: str | None = None
    image: _ToAnalyze = None
    image_data: _ToAnalyze = None
    image_url: _ToAnalyze = None
    image_urls: _ToAnalyze = None
    messages: Annotated[Any, refused("messages go to /v1/chat/completions")] = None


class TextOptions(Struct, frozen=True):
    """`text` of a request: the form of the answer; verbosity is ignored."""

    format: Annotated[dict[str, Any] | None, doc("The form; a schema stands beside its type.")] = None


_NotStored = Annotated[str | dict[str, Any] | None, doc("Refused: nothing is stored here.")]
_ToInput = Annotated[Any, refused("images are parts of an input item: input[].content[].image_url")]
_ToText = Annotated[
    Any,
    refused("a schema is 'text.format'; chat's form goes to /v1/chat/completions, Ollama's to /api/chat"),
]


class ResponsesRequest(GenerationFields, frozen=True, kw_only=True):
    """Body of POST /v1/responses.

    Items of the input are read one by one: most of their kinds have no use here. What needs something to be
    stored is refused; fields that OpenAI knows and that have no use here are ignored.
    """

    input: Annotated[
        str | Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_MESSAGES)],
        doc("A question, or the conversation as a list of items, oldest first."),
    ]
    instructions: str | None = None
    max_output_tokens: LongestAnswer = None
    text: Annotated[TextOptions | None, doc("The form of the answer.")] = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    metadata: Annotated[dict[str, Any] | None, doc("Comes back with the answer.")] = None
    top_logprobs: Annotated[int | None, doc("Refused above 0: the NPU gives no log probabilities.")] = None
    previous_response_id: Annotated[str | None, doc("Refused: nothing is stored here.")] = None
    conversation: _NotStored = None
    background: Annotated[bool | None, doc("Refused where true: nothing is stored here.")] = None
    prompt: _NotStored = None
    response_format: _ToText = None
    format: _ToText = None
    images: _ToInput = None
    image: _ToInput = None
    image_data: _ToInput = None
    image_url: _ToInput = None
    image_urls: _ToInput = None
    messages: Annotated[
        Any, refused("messages are its 'input'; chat's form goes to /v1/chat/completions")
    ] = None


KNOWN_VALUES = (
    (re.compile(r"format\.type$"), "text, json_object, json_schema"),
    (re.compile(r"\.type$"), "text, input_text and, from users, image_url, input_image, image"),
    (re.compile(r"\.role$"), "system, developer, user, assistant, tool, function"),
)
