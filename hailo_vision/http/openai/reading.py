"""Makes the neutral request of OpenAI's bodies."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct

from hailo_vision.config import ApiConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import invalid, missing, unsupported
from hailo_vision.http.fields import check_size, keep_alive_of, limit_of, whole_of
from hailo_vision.http.openai import request_types
from hailo_vision.inference.request import Image, JsonFormat, Turn

_TEXT_ONLY = (request_types.SystemMessage, request_types.AssistantMessage)  # developers included
_SEEDS = range(-(2**63), 2**64)


def turns_of(
    messages: Mapping[str, request_types.Message | request_types.FunctionCallOutput],
    body: request_types.ChatRequest | None = None,
) -> list[Turn]:
    """The conversation of messages, each by its place in the request.

    System and developer messages, wherever they stand, become the one system turn that the model's template
    has a place for. Images of the body itself, and those of a message that are not in its content, stand
    before the text of that message, or of the user's last one.

    Raises:
        RequestError: an image part names no image, or an image stands where none is read.
    """
    whole = "messages" if body else "input"
    check_size((message.content for message in messages.values()), whole)
    check_size(chain.from_iterable(map(_loose_lists, messages.values())), whole)
    system: list[str] = []
    turns: list[Turn] = []
    for where, message in messages.items():
        name = "output" if isinstance(message, request_types.FunctionCallOutput) else "content"
        parts = [*_loose_images(message, f"{where}."), *_parts(message.content, f"{where}.{name}")]
        if not isinstance(message, _TEXT_ONLY):
            turns.append(Turn("user", parts))
            continue
        text = "".join(map(_text, parts))
        if isinstance(message, request_types.AssistantMessage):
            turns.append(Turn("assistant", [text]))
        else:
            system.append(text)
    if body and (loose := list(_loose_images(body, ""))):
        last = max((at for at, turn in enumerate(turns) if turn.role == "user"), default=None)
        if last is None:
            reason = "There is no user message that the images could belong to."
            raise RequestError(Kind.INVALID_VALUE, reason, where=loose[0].where)
        turns[last] = Turn("user", [*loose, *turns[last].content])
    if system:
        turns.insert(0, Turn("system", ["\n\n".join(system)]))
    return turns


def image_of(part: str | request_types.ImageLike, where: str) -> Image:
    """The image that a part is or names, in any of the forms in use.

    Raises:
        RequestError: it names none.
    """
    if isinstance(part, str):
        return Image(part, where)
    for name in part.__struct_fields__:
        if image := _image(getattr(part, name), f"{where}.{name}"):
            return image
    raise _nameless(part, where)


def options_of(fields: request_types.GenerationFields, *limits: str) -> dict[str, Any]:
    """The fields of a GenerationRequest that stand on the body itself.

    Args:
        limits: the fields that may hold the longest answer, the one that counts first.

    Raises:
        RequestError: keep_alive is no duration, or a number that is to be whole is not.
    """
    seed = whole_of(fields.seed, "seed")
    if seed is not None and seed not in _SEEDS:
        raise invalid("seed", f"expected a number from {_SEEDS.start} to {_SEEDS.stop - 1}")
    most = [limit_of(getattr(fields, name), name) for name in limits]
    stop = [fields.stop] if isinstance(fields.stop, str) else fields.stop or []
    return {
        "temperature": fields.temperature,
        "top_p": fields.top_p,
        "top_k": limit_of(fields.top_k, "top_k"),
        "repetition_penalty": fields.repetition_penalty,
        "seed": seed,
        "max_tokens": next((limit for limit in most if limit is not None and limit > 0), None),
        "stop": [text for text in stop if text],
        "keep_alive": keep_alive_of(fields.keep_alive),
    }


def refuse_unsupported(fields: request_types.CompletionFields) -> None:
    """Raises:
    RequestError: what is asked for can't be had from the NPU.
    """
    if fields.n is not None and fields.n > 1:
        raise RequestError(Kind.INVALID_VALUE, "Only one choice can be generated: n must be 1.", where="n")
    if fields.top_logprobs and not fields.logprobs:
        raise RequestError(Kind.INVALID_VALUE, "top_logprobs needs logprobs.", where="top_logprobs")
    if fields.logprobs:
        raise unsupported("logprobs", "The NPU gives no log probabilities.")
    if fields.logit_bias:
        raise unsupported("logit_bias", "The NPU takes no logit_bias.")
    if {"text", *(fields.modalities or ())} != {"text"}:
        raise unsupported("modalities", "Only text can be generated.")


def json_format_of(
    wanted: request_types.ResponseFormat | None, api: ApiConfig, where: str = "response_format"
) -> JsonFormat | None:
    """The JSON that an answer is to be; where: the field that says so. A schema counts wherever it stands.

    Raises:
        RequestError: not supported, in the words by which LangChain knows to do without; or there is no
            schema where there must be one.
    """
    if wanted is None or isinstance(wanted, request_types.TextFormat):
        return None
    if api.json_mode == "refuse":
        kind = "json_schema" if isinstance(wanted, request_types.JsonSchemaFormat) else "json_object"
        raise unsupported(
            where, f"Invalid parameter: '{where}' of type '{kind}' is not supported with this model."
        )
    if isinstance(wanted, request_types.JsonSchemaFormat):
        if wanted.json_schema and wanted.json_schema.schema_ is not None:
            return JsonFormat(wanted.json_schema.schema_, f"{where}.json_schema.schema")
        if wanted.schema_ is None and wanted.json_schema is None:
            raise missing(f"{where}.{'json_schema' if where == 'response_format' else 'schema'}")
    return JsonFormat(wanted.schema_, f"{where}.schema")


def _image(value: object, where: str) -> Image | None:
    """An image in one of the forms of a value; None if it is empty."""
    if isinstance(value, str):
        return Image(value, where)
    if isinstance(value, request_types.ImageUrl):
        return Image(value.url, f"{where}.url")
    if isinstance(value, request_types.Source):
        if value.data is not None:
            return Image(value.data, f"{where}.data")
        if value.url is not None:
            return Image(value.url, f"{where}.url")
    return None


def _loose_lists(message: request_types.Message | request_types.FunctionCallOutput) -> Iterator[object]:
    """What stands beside the texts of a message, lists of images among it."""
    parts = message.content if isinstance(message.content, list) else ()
    for fields in (message, *(part for part in parts if isinstance(part, request_types.TextPart))):
        yield from (getattr(fields, name) for name in request_types.ImageFields.__struct_fields__)


def _named_image(value: str | request_types.Source, where: str) -> Image:
    if image := _image(value, where):
        return image
    assert isinstance(value, request_types.Source)
    raise _nameless(value, where)


def _nameless(value: Struct, where: str) -> RequestError:
    names = ", ".join(value.__struct_fields__)
    return RequestError(
        Kind.MISSING_PARAMETER, f"'{where}' names no image; expected one of {names}.", where=where
    )


def _loose_images(
    fields: request_types.ImageFields | request_types.ChatRequest, where: str
) -> Iterator[Image]:
    """Images that stand beside a text.

    Raises:
        RequestError: what should be one names none.
    """
    for name in request_types.ImageFields.__struct_fields__:
        value = getattr(fields, name)
        if isinstance(value, list):
            for number, one in enumerate(value):
                yield _named_image(one, f"{where}{name}[{number}]")
        elif value is not None:
            yield _named_image(value, f"{where}{name}")


def _text(part: str | Image) -> str:
    if isinstance(part, Image):
        reason = "Images are read in the messages of users and tools only."
        raise RequestError(Kind.INVALID_VALUE, reason, where=part.where)
    return part


def _parts(
    content: str | Sequence[request_types.UserPart | request_types.RefusalPart] | None, where: str
) -> list[str | Image]:
    """Texts and images in their order; texts that follow one another are lines."""
    if content is None or isinstance(content, str):
        return [content or ""]
    parts: list[str | Image] = []

    def add(text: str) -> None:
        if parts and isinstance(parts[-1], str):
            parts.append("\n")
        parts.append(text)

    for number, part in enumerate(content):
        if isinstance(part, str):
            add(part)
        elif isinstance(part, request_types.RefusalPart):
            add(part.refusal)
        elif isinstance(part, request_types.TextPart):
            add(part.text)
            parts.extend(_loose_images(part, f"{where}[{number}]."))
        else:
            parts.append(image_of(part, f"{where}[{number}]"))
    return parts
