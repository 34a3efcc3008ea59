"""keep_alive in the formats of Ollama."""

import math

import pytest

from hailo_vision.durations import parse_keep_alive


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (0, 0),
        (300, 300),
        (1.5, 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("0", 0),
        (".5s", 0.5),
        ("300", 300),
        ("+5", 5),
        ("1.5", 1.5),
        ("-0", 0),
    ],
)
def test_seconds_and_go_durations(given: float | str, seconds: float) -> None:
    assert parse_keep_alive(given) == seconds


@pytest.mark.parametrize("given", [-1, -0.5, "-1m", "-1s", "-1", "-1.0", 1e300, "9" * 400, "9" * 400 + "h"])
def test_below_zero_or_beyond_a_century_is_for_ever(given: float | str) -> None:
    assert parse_keep_alive(given) == math.inf


@pytest.mark.parametrize("given", ["", "-", "1e3", "inf", "nan", "\u0663", "m", "5 m", "5x", "1m2", "--1m"])
def test_anything_else_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_keep_alive(given)


@pytest.mark.parametrize("given", [math.nan, math.inf])
def test_a_number_is_finite(given: float) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        parse_keep_alive(given)
