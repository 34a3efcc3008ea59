"""A prompt in parts: the same tokens, no chunk too many, and nothing that an abort has to wait for long."""

import re
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hailo_vision.npu.worker.prefill import IMAGE, Part, Prefill

FRAME_TOKENS = 144
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
BEGIN, END = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
PICTURE = f"<|vision_start|>{IMAGE}<|vision_end|>"
_SPECIAL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", IMAGE, "<|vision_end|>")
_TOKEN = re.compile("|".join([*map(re.escape, _SPECIAL), r" ?\w{1,6}", r"\s+", "."]), re.DOTALL)


def tokenize(text: str) -> list[int]:
    """Special tokens, words of at most six letters with the space before them, single characters."""
    return [
        _SPECIAL.index(token) if token in _SPECIAL else len(_SPECIAL) + hash(token) % 10**6
        for token in _TOKEN.findall(text)
    ]


def parts(prompt: str, *, most: int = 5, few: bool = False) -> list[Part]:
    return Prefill(tokenize, FRAME_TOKENS, most).parts(prompt, tokenize(prompt), few=few)


def cells(text: str) -> int:
    return len(tokenize(text)) + text.count(IMAGE) * (FRAME_TOKENS - 1)


def chunks(*texts: str) -> int:
    return sum(ceil(cells(text) / 96) for text in texts)


def check_same_tokens(prompt: str, cut: list[Part]) -> None:
    assert "".join(part.text for part in cut) == prompt
    assert [token for part in cut for token in tokenize(part.text)] == tokenize(prompt)
    assert [part.frames for part in cut] == [part.text.count(IMAGE) for part in cut]


@pytest.mark.parametrize("few", [False, True])
def test_what_one_call_takes_is_one_part(few: bool) -> None:
    prompt = SYSTEM + BEGIN + 5 * PICTURE + "What is this?" + END
    assert parts(prompt, few=few) == [Part(prompt, 5)]


@pytest.mark.parametrize("pictures", range(6, 15))
def test_many_pictures_take_as_few_chunks_as_can_be(pictures: int) -> None:
    prompt = SYSTEM + BEGIN + pictures * PICTURE + "What is this?" + END
    cut = parts(prompt)
    check_same_tokens(prompt, cut)
    assert max(part.frames for part in cut) <= 5
    wasted = chunks(*(part.text for part in cut)) - chunks(prompt)
    # Where no place between two pictures is near enough to a multiple of 96 tokens, it is one.
    assert wasted == (pictures in (7, 9, 11, 12, 14))


def test_a_long_text_is_cut_into_parts_of_some_480_tokens() -> None:
    words = " ".join(f"word{number}" for number in range(900))
    prompt = SYSTEM + BEGIN + words + END
    cut = parts(prompt)
    check_same_tokens(prompt, cut)
    assert max(cells(part.text) for part in cut) <= 500
    assert chunks(*(part.text for part in cut)) <= chunks(prompt) + 1


def test_a_conversation_is_cut_between_its_turns() -> None:
    turn = BEGIN + "one two three four five six seven eight nine ten " * 12 + "<|im_end|>\n"
    cut = parts(SYSTEM + 8 * turn + END)
    assert all(part.text.startswith("<|im_") for part in cut)
    assert max(cells(part.text) for part in cut) <= 480


@pytest.mark.parametrize("replaced", [0, 1])
def test_a_text_that_tokenizes_otherwise_in_parts_stays_whole(replaced: int) -> None:
    prompt = BEGIN + "one two three " * 400 + END

    def contrary(text: str) -> list[int]:
        tokens = tokenize(text)
        return [999, *tokens[replaced:]] if text.startswith(BEGIN) and text != prompt else tokens

    whole = [
        part.text for part in Prefill(contrary, FRAME_TOKENS, 5).parts(prompt, tokenize(prompt), few=False)
    ]
    assert "".join(whole) == prompt
    assert max(map(cells, whole)) > 1000


def test_a_text_without_words_stays_whole() -> None:
    prompt = BEGIN + "!" * 1500 + END
    check_same_tokens(prompt, parts(prompt))


def test_with_a_penalty_there_are_no_more_parts_than_the_frames_demand() -> None:
    prompt = SYSTEM + BEGIN + "one two three four " * 150 + 6 * PICTURE + END
    assert [part.frames for part in parts(prompt, most=14, few=True)] == [6]
    cut = parts(prompt, few=True)
    check_same_tokens(prompt, cut)
    assert len(cut) == 2


def test_frames_that_can_not_be_told_apart_are_an_error() -> None:
    prompt = BEGIN + 6 * PICTURE + END
    with pytest.raises(ValueError, match="where its frames are"):
        Prefill(tokenize, FRAME_TOKENS, 5).parts(prompt, [7] * 30, few=False)


TEXT = st.sampled_from(
    ["word ", "ends. ", "Ä ", "\n\n", "a_b", "<|not_special|>", "x" * 40, "two words " * 300]
)
PIECE = st.one_of(TEXT, st.sampled_from([PICTURE, END, BEGIN, SYSTEM]))


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(PIECE, min_size=1, max_size=40), most=st.sampled_from([5, 14]), few=st.booleans())
def test_any_prompt_keeps_its_tokens(pieces: list[str], most: int, few: bool) -> None:
    prompt = "".join(pieces)
    cut = parts(prompt, most=most, few=few)
    check_same_tokens(prompt, cut)
    assert all(part.text for part in cut)
    assert max(part.frames for part in cut) <= (most if few else 5)
