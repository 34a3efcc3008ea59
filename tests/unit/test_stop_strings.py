"""Pieces become text: stop strings found across pieces, nothing held back that need not be."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailo_vision.inference.stop_strings import AnswerText

TEXT = st.text(alphabet="ab.", max_size=30)


def run(pieces: list[str], stop: tuple[str, ...]) -> tuple[str, bool]:
    text = AnswerText(stop)
    given_out = "".join(text.feed(piece) for piece in pieces)
    return given_out + text.finish(), text.stopped


@given(st.lists(st.text(alphabet="ab.", max_size=4), max_size=12), st.lists(TEXT.filter(bool), max_size=4))
def test_it_is_the_text_before_the_first_stop_string(pieces: list[str], stop: list[str]) -> None:
    whole = "".join(pieces)
    found = [whole.find(one) for one in stop if one in whole]
    answer, stopped = run(pieces, tuple(stop))
    assert stopped == bool(found)
    if not found:
        assert answer == whole
    else:
        # With several, the first to be complete ends it; it is never any part of the answer.
        assert whole.startswith(answer)
        assert any(whole.startswith(one, len(answer)) for one in stop)


@given(
    st.text(alphabet="ab.", max_size=12),
    st.lists(TEXT.filter(bool), max_size=4),
    st.lists(st.integers(0, 12), max_size=4),
)
def test_it_does_not_matter_how_the_text_falls_into_pieces(
    whole: str, stop: list[str], cuts: list[int]
) -> None:
    ends = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in itertools.pairwise(ends)]
    assert run(pieces, tuple(stop)) == run([whole], tuple(stop)) == run(list(whole), tuple(stop))


@given(st.text(alphabet="xyz", max_size=40))
def test_what_can_be_no_stop_string_comes_at_once(text: str) -> None:
    answer = AnswerText(("ab",))
    assert [answer.feed(character) for character in text] == list(text)


def test_the_beginning_of_a_stop_string_is_held_back() -> None:
    answer = AnswerText(("END",))
    assert [answer.feed(piece) for piece in ("one E", "N", "TRY E", "ND", "more")] == [
        "one ",
        "",
        "ENTRY ",
        "",
        "",
    ]
    assert answer.stopped
    assert answer.finish() == ""


@pytest.mark.parametrize("token", ["<|im_end|>", "<|endoftext|>", "<|vision_start|>"])
def test_control_tokens_are_no_text(token: str) -> None:
    assert run(["a", token, "b"], ()) == ("ab", False)


def test_what_only_looks_like_a_control_token_is_text() -> None:
    assert run(["<", "p>", "<br>", "<|", "|>", "a < b"], ()) == ("<p><br><||>a < b", False)


def test_the_spurious_tail_of_the_runtime_is_cut() -> None:
    assert run(["Done.", " [{", "'type'", ": 'text'"], ()) == ("Done", True)
    assert run(["Done.", ".", " [{", "'type'", ": 'text'"], ()) == ("Done.", True)
    assert run(["See", " [{'type'", ": 'text'"], ()) == ("See ", True)


class Counted(str):
    """A stop string that counts how often the text is compared with one."""

    compared = 0

    def startswith(self, *arguments: Any) -> bool:
        Counted.compared += 1
        return super().startswith(*arguments)


def test_many_and_long_ones_hold_up_nobody() -> None:
    """Who knows the answer, as of greedy decoding, may let almost all of it be held back in vain."""
    whole = "".join(f"word{number} " for number in range(1100))
    stops = [whole[:7900] + "#", *(f"w{'z' * 7000}{number}" for number in range(255))]
    text = AnswerText(list(map(Counted, stops)))
    assert text.feed(whole[:7900]) == ""
    assert text.feed(whole[7900:]) == whole
    assert 0 < Counted.compared < 2 * len(whole)
