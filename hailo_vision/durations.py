"""Durations as people write them: numbers of seconds and Go-style strings such as "5m" or "1h30m"."""

import math
import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")

FOREVER = math.inf


def parse_keep_alive(value: float | str) -> float:
    """Seconds for which an idle model stays loaded; any negative value means for ever (math.inf).

    The formats are Ollama's (api/types.go, Duration): a number is seconds, a string is a Go duration.

    Raises:
        ValueError: the string is no duration, or the number is not finite.
    """
    if isinstance(value, str):
        seconds = _parse_go_duration(value)
    else:
        seconds = float(value)
        if not math.isfinite(seconds):
            raise ValueError("expected a finite number of seconds")
    return FOREVER if seconds < 0 else seconds


def _parse_go_duration(text: str) -> float:
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if body == "0":
        return 0.0
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"expected seconds or a duration such as '5m' or '-1', got {text[:40]!r}")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)
