"""Durations as people write them: seconds as a number or a text, and Go's form such as "5m" or "1h30m"."""

import math
import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_PART = re.compile(_NUMBER + r"(ns|us|µs|ms|s|m|h)", re.ASCII)
_BARE = re.compile(_NUMBER, re.ASCII)

FOREVER = math.inf
_AS_GOOD_AS_FOREVER = 100 * 365 * 86400.0  # more overflows the event loop's timers


def parse_keep_alive(value: float | str) -> float:
    """Seconds for which an idle model stays loaded; any negative value means for ever (math.inf).

    The formats are Ollama's (api/types.go, Duration): a number is seconds, a string is a Go duration. Clients
    also send the number as a string, which Ollama itself takes from its environment.

    Raises:
        ValueError: the string is no duration, or the number is not finite.
    """
    if isinstance(value, str):
        seconds = _parse_text(value)
    elif math.isfinite(value):
        seconds = float(value)
    else:
        raise ValueError("expected a finite number of seconds")
    return FOREVER if seconds < 0 or seconds > _AS_GOOD_AS_FOREVER else seconds


def _parse_text(text: str) -> float:
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if _BARE.fullmatch(body):
        return sign * float(body)
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"expected seconds or a duration such as '5m' or '-1', got {text[:40]!r}")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)
