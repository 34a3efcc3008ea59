"""OpenAI's bodies as what is asked of the model."""

from collections.abc import Sequence
from typing import Any

from hailo_vision.durations import parse_keep_alive
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.openai.request_types import (
    AssistantMessage,
    DeveloperMessage,
    FunctionMessage,
    GenerationFields,
    ImageLike,
    ImagePart,
    ImageUrl,
    JsonSchemaFormat,
    Message,
    RefusalPart,
    ResponseFormat,
    Source,
    SystemMessage,
    TextFormat,
    TextLike,
    ToolMessage,
    UserPart,
)
from hailo_vision.inference.request import Image, JsonFormat, Turn

_IMAGE_FIELDS = ("image", "data", "source", "image_url")


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    """The conversation of a chat request. System and developer messages, wherever they stand, become the
    one system turn that the model's template has a place for.

    Raises:
        RequestError: an image part names no image.
    """
    system: list[str] = []
    turns: list[Turn] = []
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
            turns.append(Turn("user", _parts(message.content, where)))
    if system:
        turns.insert(0, Turn("system", ["\n\n".join(system)]))
    return turns


def image_of(part: ImageLike, where: str) -> Image:
    """The image that a part names, in any of the forms in use.

    Raises:
        RequestError: it names none.
    """
    names = _IMAGE_FIELDS if isinstance(part, ImagePart) else ("image_url",)
    for name in names:
        value = getattr(part, name)
        if isinstance(value, ImageUrl):
            return Image(value.url, f"{where}.{name}.url")
        if isinstance(value, Source):
            if value.data is not None:
                return Image(value.data, f"{where}.{name}.data")
            if value.url is not None:
                return Image(value.url, f"{where}.{name}.url")
        elif value is not None:
            return Image(value, f"{where}.{name}")
    raise RequestError(
        Kind.MISSING_PARAMETER,
        f"'{where}' names no image; expected one of {', '.join(names)}.",
        where=where,
    )


def options_of(fields: GenerationFields) -> dict[str, Any]:
    """The fields of a GenerationRequest that stand on the body itself.

    Raises:
        RequestError: keep_alive is no duration.
    """
    return {
        "temperature": fields.temperature,
        "top_p": fields.top_p,
        "top_k": fields.top_k,
        "repetition_penalty": fields.repetition_penalty,
        "seed": fields.seed,
        "max_tokens": fields.max_completion_tokens or fields.max_tokens,
        "stop": [fields.stop] if isinstance(fields.stop, str) else fields.stop or (),
        "keep_alive": _keep_alive(fields.keep_alive),
    }


def json_format_of(wanted: ResponseFormat | None, *, supported: bool) -> JsonFormat | None:
    """The JSON that an answer is to be.

    Raises:
        RequestError: not supported, in the words by which LangChain knows to do without.
    """
    if wanted is None or isinstance(wanted, TextFormat):
        return None
    of_schema = isinstance(wanted, JsonSchemaFormat)
    if not supported:
        kind = "json_schema" if of_schema else "json_object"
        raise RequestError(
            Kind.UNSUPPORTED_PARAMETER,
            f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model.",
            where="response_format",
        )
    schema = wanted.json_schema.schema_ if isinstance(wanted, JsonSchemaFormat) else None
    return JsonFormat(schema, "response_format.json_schema.schema")


def _text(content: str | Sequence[TextLike | RefusalPart] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.refusal if isinstance(part, RefusalPart) else part.text for part in content)


def _parts(content: Sequence[UserPart], where: str) -> list[str | Image]:
    parts: list[str | Image] = []
    for number, part in enumerate(content):
        if isinstance(part, TextLike):
            if parts and isinstance(parts[-1], str):
                parts.append("\n")
            parts.append(part.text)
        else:
            parts.append(image_of(part, f"{where}[{number}]"))
    return parts


def _keep_alive(value: float | str | None) -> float | None:
    if value is None:
        return None
    try:
        return parse_keep_alive(value)
    except ValueError as error:
        raise RequestError(
            Kind.INVALID_VALUE, f"Invalid 'keep_alive': {error}.", where="keep_alive"
        ) from error
