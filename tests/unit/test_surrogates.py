"""Halves of surrogate pairs in JSON texts."""

import json
import time

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hailo_vision.surrogates import without_halves

PIECES = st.sampled_from([r"\ud83d", r"\uDBFF", r"\ude00", r"\uDC00", r"\\", r"\n", r"\u0041", "u", "d8"])


@given(st.lists(PIECES))
@example([r"\\", "ud83d"])
def test_halves_become_the_sign_for_a_lost_character(pieces: list[str]) -> None:
    text = f'"{"".join(pieces)}"'
    wanted = json.loads(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert msgspec.json.decode(without_halves(text.encode())) == wanted


def test_what_is_no_utf_8_stays_so() -> None:
    assert without_halves(b'"\xff \\ud83d"') == b'"\xff \\ud83d"'


@pytest.mark.parametrize("escape", [rb"\ud83d", rb"\ud83d\ude00", rb"\\", rb"\n", b"\xff"])
def test_a_body_full_of_escapes_does_not_hold_up_the_event_loop(escape: bytes) -> None:
    """A call of a function for each took five seconds. Processor time: a busy machine does not matter."""
    body = b'"' + escape * (32_000_000 // len(escape)) + rb'\ud83d"'
    began = time.process_time()
    without_halves(body)
    assert time.process_time() - began < 3
