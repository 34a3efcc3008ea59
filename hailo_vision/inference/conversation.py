"""From a validated request to what the supervisor takes: turns, pictures in order, sampling, limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from hailo_vision.config import GenerationConfig
from hailo_vision.errors import InvalidRequest
from hailo_vision.http.openai.request_types import (
    AssistantMessage,
    DeveloperMessage,
    FunctionMessage,
    GenerationFields,
    ImagePart,
    ImageUrl,
    ImageUrlPart,
    InputImagePart,
    InputTextPart,
    Message,
    RefusalPart,
    Source,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserPart,
)
from hailo_vision.inference.prompt import Picture, Turn
from hailo_vision.npu.protocol import ModelInfo, Sampling

_ENDLESS = 1_000_000  # tokens; more than any context holds
_TURN_TOKENS = 4  # the least that a turn takes: its two control tokens, its role, a line end
_LONGEST_TOKEN = 256  # characters; twice as many as the longest token of Qwen2's vocabulary has

ImagePartLike = ImageUrlPart | InputImagePart | ImagePart


@dataclass(frozen=True)
class ImageSource:
    """Where a picture comes from, and the request field that says so.

    Attributes:
        text: a data URI, base64 text, or an http(s) URL.
    """

    text: str
    param: str


@dataclass(frozen=True)
class Conversation:
    """Turns whose pictures are, in order, the images."""

    turns: Sequence[Turn]
    images: Sequence[ImageSource]


def read(messages: Sequence[Message]) -> Conversation:
    """The conversation of a chat request. System and developer messages, wherever they stand, become the
    one system turn that the model's template has a place for.

    Raises:
        InvalidRequest: a picture part names no picture.
    """
    system: list[str] = []
    turns: list[Turn] = []
    images: list[ImageSource] = []
    for number, message in enumerate(messages):
        where = f"messages[{number}].content"
        if isinstance(message, SystemMessage | DeveloperMessage):
            system.append(_text(message.content))
        elif isinstance(message, AssistantMessage):
            turns.append(Turn("assistant", [_text(message.content)]))
        elif isinstance(message, ToolMessage | FunctionMessage):
            turns.append(Turn("user", [_text(message.content)]))
        elif isinstance(message.content, str):
            turns.append(Turn("user", [message.content]))
        else:
            turns.append(Turn("user", _parts(message.content, where, images)))
    if system:
        turns.insert(0, Turn("system", ["\n\n".join(system)]))
    return Conversation(turns, images)


def question(prompt: str, image: ImageSource, system: str | None) -> Conversation:
    """One picture and one question about it."""
    turns = [Turn("user", [Picture(), prompt])]
    if system:
        turns.insert(0, Turn("system", [system]))
    return Conversation(turns, [image])


def _text(content: str | Sequence[TextPart | InputTextPart | RefusalPart] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.refusal if isinstance(part, RefusalPart) else part.text for part in content)


def _parts(content: Sequence[UserPart], where: str, images: list[ImageSource]) -> list[str | Picture]:
    parts: list[str | Picture] = []
    for number, part in enumerate(content):
        if isinstance(part, TextPart | InputTextPart):
            if parts and isinstance(parts[-1], str):
                parts.append("\n")
            parts.append(part.text)
        else:
            images.append(image_source(part, f"{where}[{number}]"))
            parts.append(Picture())
    return parts


def image_source(part: ImagePartLike, where: str) -> ImageSource:
    """The picture that a part names, in any of the forms in use.

    Raises:
        InvalidRequest: it names none.
    """
    names = ("image_url",) if not isinstance(part, ImagePart) else ("image", "data", "source", "image_url")
    for name in names:
        value = getattr(part, name)
        if isinstance(value, ImageUrl):
            return ImageSource(value.url, f"{where}.{name}.url")
        if isinstance(value, Source):
            if value.data is not None:
                return ImageSource(value.data, f"{where}.{name}.data")
            if value.url is not None:
                return ImageSource(value.url, f"{where}.{name}.url")
        elif value is not None:
            return ImageSource(value, f"{where}.{name}")
    raise InvalidRequest(
        f"'{where}' names no picture; expected one of {', '.join(names)}.",
        code="missing_required_parameter",
        param=where,
    )


def check_frame_count(count: int, model: ModelInfo, param: str) -> None:
    """Refuse at once what can never be generated.

    Raises:
        InvalidRequest: more pictures than the model or the context takes.
    """
    if count * model.frame_tokens >= model.context_length:
        raise context_overflow(model.context_length, count * model.frame_tokens, param)
    if count > model.max_frames:
        raise InvalidRequest(
            f"The conversation has {count} images; the model takes {model.max_frames}.",
            code="too_many_images",
            param=param,
        )


def check_length(conversation: Conversation, model: ModelInfo) -> None:
    """Refuse at once a text that no counting of tokens could make fit: rendering it would hold up the
    event loop, and it may be more than a message to the NPU process can carry.

    Raises:
        InvalidRequest: the conversation has more turns or more text than the context.
    """
    texts = sum(len(part) for turn in conversation.turns for part in turn.content if isinstance(part, str))
    least = len(conversation.turns) * _TURN_TOKENS + texts // _LONGEST_TOKEN
    if least >= model.context_length:
        raise context_overflow(model.context_length, least)


def context_overflow(context_length: int, prompt_tokens: int, param: str = "messages") -> InvalidRequest:
    """In the words that LiteLLM and LangChain recognise: LiteLLM by the first ones, LangChain by the code or,
    where OpenAI's SDK does not show it that, by "prompt is too long"."""
    return InvalidRequest(
        f"This model's maximum context length is {context_length} tokens. However, your messages resulted "
        f"in {prompt_tokens} tokens: the prompt is too long. Please reduce the length of the messages "
        "or the number of images.",
        code="context_length_exceeded",
        param=param,
    )


def sampling_of(fields: GenerationFields, defaults: GenerationConfig) -> Sampling:
    """How tokens are picked: what the request says, else the operator's defaults."""
    return Sampling(
        temperature=defaults.temperature if fields.temperature is None else fields.temperature,
        top_p=defaults.top_p if fields.top_p is None else fields.top_p,
        top_k=defaults.top_k if fields.top_k is None else fields.top_k,
        repetition_penalty=1.0 if fields.repetition_penalty is None else fields.repetition_penalty,
        seed=defaults.seed if fields.seed is None else fields.seed,
    )


def max_tokens_of(fields: GenerationFields, defaults: GenerationConfig) -> int:
    """max_completion_tokens wins over the older max_tokens. Whatever is more than any context holds is
    brought down to what travels as a number; the context's own room limits it further."""
    return min(fields.max_completion_tokens or fields.max_tokens or defaults.max_tokens, _ENDLESS)
