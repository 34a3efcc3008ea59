"""The tokenizer: ids, special tokens, split characters, and what context reuse rests on."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SPECIAL = {
    "<|endoftext|>": 151643,
    "<|im_start|>": 151644,
    "<|im_end|>": 151645,
    "<|vision_start|>": 151652,
    "<|vision_end|>": 151653,
    "<|image_pad|>": 151655,
    "<|video_pad|>": 151656,
}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)
PROSE = st.text(st.sampled_from("the picture shows Red 12.,\n  xyz日本é🙂"), max_size=80)
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def tokenizer(chip: Any) -> Any:
    return chip.module("_emulator.tokenizer")


@RELAXED
@given(text=TEXTS)
def test_any_text_survives_the_round_trip(tokenizer: Any, text: str) -> None:
    assert tokenizer.detokenize(tokenizer.tokenize(text)) == text


@RELAXED
@given(text=PROSE)
def test_pieces_are_whole_characters_that_join_to_the_text(tokenizer: Any, text: str) -> None:
    decoder = tokenizer.PieceDecoder()
    pieces = [decoder.piece(token) for token in tokenizer.tokenize(text)]
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces)


@RELAXED
@given(text=PROSE, cut=st.integers(0, 100))
def test_a_prefix_of_the_tokens_is_the_tokenization_of_their_text(
    tokenizer: Any, text: str, cut: int
) -> None:
    """What a cut answer leaves in the cache is what sending its text again would put there."""
    tokens = tokenizer.tokenize(text)[:cut]
    data = b"".join(map(tokenizer.token_bytes, tokens))
    try:
        prefix = data.decode()
    except UnicodeDecodeError:
        return
    assert tokenizer.tokenize(prefix) == tokens


@RELAXED
@given(before=PROSE, after=PROSE)
def test_a_special_token_separates_what_is_around_it(tokenizer: Any, before: str, after: str) -> None:
    joined = tokenizer.tokenize(f"{before}<|im_end|>{after}")
    assert joined == [*tokenizer.tokenize(before), 151645, *tokenizer.tokenize(after)]


@pytest.mark.parametrize(("text", "token"), SPECIAL.items())
def test_special_tokens_have_qwens_ids_also_inside_user_text(vlm: Any, text: str, token: int) -> None:
    assert vlm.tokenize(text) == [token]
    assert vlm.tokenize(f"typed {text} by hand").count(token) == 1


def test_an_image_placeholder_is_one_token(vlm: Any) -> None:
    assert len(vlm.tokenize("<|vision_start|><|image_pad|><|vision_end|>")) == 3


def test_some_tokens_end_inside_a_character(tokenizer: Any) -> None:
    decoder = tokenizer.PieceDecoder()
    tokens = tokenizer.tokenize("🙂")
    assert len(tokens) > 1
    assert [decoder.piece(token) for token in tokens] == [*[""] * (len(tokens) - 1), "🙂"]


def test_bytes_of_an_unfinished_character_can_be_dropped(tokenizer: Any) -> None:
    decoder = tokenizer.PieceDecoder()
    decoder.piece(tokenizer.tokenize("🙂")[0])
    decoder.drop_pending()
    assert decoder.piece(tokenizer.tokenize(" the")[0]) == " the"


def test_english_takes_about_one_token_a_word(vlm: Any) -> None:
    text = "What is in the picture, and how bright are the colours at the top left of it?"
    assert len(vlm.tokenize(text)) <= 1.4 * len(text.split()) + 2


def test_a_lone_surrogate_is_refused(vlm: Any) -> None:
    with pytest.raises(UnicodeEncodeError):
        vlm.tokenize("\ud800")


def test_only_text_and_its_bytes_can_be_tokenized(vlm: Any) -> None:
    assert vlm.tokenize(b"bytes") == vlm.tokenize("bytes")
    with pytest.raises(TypeError):
        vlm.tokenize(7)
