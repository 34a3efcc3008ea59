"""Fields that several dialects have, and clients spell in several ways."""

from hailo_vision.durations import parse_keep_alive
from hailo_vision.errors import Kind, RequestError

# Whole numbers, which some languages write as 50.0.
Whole = int | float
_LARGEST = 2**31  # of a limit; more than any context or vocabulary has


def whole_of(value: Whole | None, where: str) -> int | None:
    """The number as an int; None as it is.

    Raises:
        RequestError: it has a fraction.
    """
    if isinstance(value, float) and not value.is_integer():
        raise RequestError(Kind.INVALID_VALUE, f"Invalid '{where}': expected a whole number.", where=where)
    return None if value is None else int(value)


def limit_of(value: Whole | None, where: str) -> int | None:
    """The same for a limit, whose size beyond all that there is does not matter.

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
        raise RequestError(
            Kind.INVALID_VALUE, f"Invalid 'keep_alive': {error}.", where="keep_alive"
        ) from error
