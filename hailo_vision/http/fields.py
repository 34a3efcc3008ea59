"""Fields that several dialects share, and that clients write in several ways."""

from collections.abc import Collection, Iterable
from functools import cache
from typing import get_type_hints

from msgspec import Meta, Struct

from hailo_vision.durations import parse_keep_alive
from hailo_vision.http.body import invalid, missing, unsupported
from hailo_vision.inference.service import Service

# No conversation that fits a context has as many; more would hold up the event loop.
MOST_MESSAGES = 4096
MOST_IMAGES = 256

# Whole numbers, which some languages write as 50.0.
Whole = int | float
_LARGEST = 2**31  # of a limit; more than any context or vocabulary has


def whole_of(value: Whole | None, where: str) -> int | None:
    """The number as an int; None as it is.

    Raises:
        RequestError: it has a fraction.
    """
    if isinstance(value, float) and not value.is_integer():
        raise invalid(where, "expected a whole number")
    return None if value is None else int(value)


def limit_of(value: Whole | None, where: str) -> int | None:
    """The same for a limit; one beyond all that exists is cut.

    Raises:
        RequestError: as whole_of.
    """
    number = whole_of(value, where)
    return None if number is None else min(number, _LARGEST)


def keep_alive_of(value: float | str | None) -> float | None:
    """Seconds that an idle model stays loaded.

    Raises:
        RequestError: it is no duration.
    """
    if value is None:
        return None
    try:
        return parse_keep_alive(value)
    except ValueError as error:
        raise invalid("keep_alive", error) from error


def refused(advice: str) -> Meta:
    """A field of other routes that would change what is asked; advice: what to do instead."""
    return Meta(description=f"Refused: {advice}.", extra={"advice": advice})


def refuse_others(body: Struct, prefix: str = "", *, ignored: Collection[str] = ()) -> None:
    """Refuse what is marked as a field of other routes, unless it is empty.

    Args:
        prefix: where the body stands in the request.

    Raises:
        RequestError: the body has one.
    """
    for name, advice in _advice_of(type(body)).items():
        if name not in ignored and getattr(body, name):
            where = prefix + name
            raise unsupported(where, f"'{where}' is no field of this route: {advice}.")


@cache
def _advice_of(kind: type[Struct]) -> dict[str, str]:
    hints = get_type_hints(kind, include_extras=True)
    marks = ((name, mark) for name, hint in hints.items() for mark in getattr(hint, "__metadata__", ()))
    return {name: mark.extra["advice"] for name, mark in marks if isinstance(mark, Meta) and mark.extra}


def check_size(contents: Iterable[object], where: str) -> None:
    """Raises:
    RequestError: the lists among these, in which messages have parts or images, are too long together.
    """
    parts = sum(len(content) for content in contents if isinstance(content, list))
    if parts > MOST_MESSAGES:
        raise invalid(where, f"expected at most {MOST_MESSAGES} parts, got {parts}")


def check_model(service: Service, name: str | None) -> None:
    """Raises:
    RequestError: no model is named where one has to be, or one that is not served here.
    """
    if name is None and service.config.api.model_required:
        raise missing("model")
    service.check_model(name)
