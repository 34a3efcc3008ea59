"""Decodes request bodies into typed values, which validates them; and the errors about a field."""

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from hailo_vision.errors import Kind, RequestError
from hailo_vision.surrogates import without_halves

T = TypeVar("T", bound=msgspec.Struct)

# What a field may hold, for messages: the pattern that a field's path fits, and the values.
Known = Sequence[tuple[re.Pattern[str], str]]

_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Of a body. What is free-form in it, such as a schema, becomes Python's objects, and each of them holds the
# event loop up for 0.2 us. Base64 has none of these characters.
_MOST_MARKS = 200_000
_LARGE = 1 << 20  # bytes, each of which takes up to a nanosecond in each step
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UNEXPECTED = re.compile(r"Invalid (?:enum )?value '(.*)'", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")


async def decode(
    body: bytes,
    decoder: "msgspec.json.Decoder[T]",
    known: Known = (),
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> T:
    """The request that a body holds. If it is large, others get their turn between the steps.

    Args:
        elsewhere: fields by which a body of another route is known, and the sentence that says where it goes.

    Raises:
        RequestError: it is no JSON, or not what the decoder's type asks for; `where` is the path of the
            first offending field. Or a field has too many values.
    """
    if body.startswith(_BYTE_ORDER_MARK):
        body = body[len(_BYTE_ORDER_MARK) :]
    try:
        if (marks := _marks(body)) > _MOST_MARKS:
            raise _too_many(marks, body, decoder.type)
        await _give_turn(body)
        try:
            decoded = decoder.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            decoded = decoder.decode(without_halves(body))
    except msgspec.ValidationError as error:
        # No name for what is raised: this frame would hold it, it the frame, and both the body.
        raise _with_advice(explain(str(error), known), body, elsewhere) from error
    except _NO_JSON as error:
        raise RequestError(Kind.INVALID_JSON, f"The body is not valid JSON: {str(error)[:200]}") from error
    await _give_turn(body)
    return decoded


async def _give_turn(body: bytes) -> None:
    if len(body) > _LARGE:
        await asyncio.sleep(0)


def _marks(text: bytes) -> int:
    """Its commas and opening brackets: JSON has one before each of its values but the first."""
    return sum(map(text.count, (b",", b"[", b"{")))


def _too_many(marks: int, body: bytes, kind: type[msgspec.Struct]) -> RequestError:
    """The error for a body of so many marks; it names the field that most of them are in, if there is one."""
    names = kind.__struct_fields__
    unread = msgspec.defstruct(kind.__name__, [(name, msgspec.Raw, msgspec.Raw()) for name in names])
    fields = msgspec.json.decode(body, type=unread)
    where = next((name for name in names if 2 * _marks(bytes(getattr(fields, name))) > marks), None)
    named = f"'{where}'" if where else "body"
    message = f"Invalid {named}: expected at most {_MOST_MARKS} commas and brackets, got {marks}."
    return RequestError(Kind.INVALID_VALUE, message, where=where)


def convert(value: object, kind: Any, where: str, known: Known = ()) -> Any:
    """A part of a body, which stands at `where`, as a value of a type.

    Raises:
        RequestError: it is no such value.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise explain(str(error), known, where) from error


def _with_advice(found: RequestError, body: bytes, elsewhere: Mapping[str, str]) -> RequestError:
    """Where something is missing: with the sentence that says where such a body goes."""
    if found.kind is not Kind.MISSING_PARAMETER:
        return found
    advice = ""
    with contextlib.suppress(*_NO_JSON):
        given = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        advice = next((f" {advice}" for name, advice in elsewhere.items() if name in given), "")
    return RequestError(found.kind, f"{found.message}{advice}", where=found.where)


def missing(where: str) -> RequestError:
    return RequestError(Kind.MISSING_PARAMETER, f"Missing required parameter: '{where}'.", where=where)


def invalid(where: str, reason: object) -> RequestError:
    """reason: what was expected, without a full stop."""
    return RequestError(Kind.INVALID_VALUE, f"Invalid '{where}': {reason}.", where=where)


def unsupported(where: str, message: str) -> RequestError:
    return RequestError(Kind.UNSUPPORTED_PARAMETER, message, where=where)


def explain(error: str, known: Known = (), below: str = "") -> RequestError:
    """What msgspec found, by the path of the field; below: the path of what was converted."""
    message, _, path = error.rpartition(" - at `$")
    if not message:
        message, path = error, ""
    where = (below + path.rstrip("`")).removeprefix(".")
    if lacking := _MISSING.match(message):
        return missing(f"{where}.{lacking[1]}" if where else lacking[1])
    unexpected = _UNEXPECTED.match(message)
    values = next((values for field, values in known if field.search(where)), None)
    if unexpected and values:
        message = f"Unsupported value {unexpected[1][:40]!r}; expected one of {values}"
    return invalid(where, message) if where else RequestError(Kind.INVALID_VALUE, f"Invalid body: {message}.")
