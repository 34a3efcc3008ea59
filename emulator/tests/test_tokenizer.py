"""The tokenizer: ids, special tokens, split characters, and what context reuse rests on."""

import json
import sys
import unicodedata
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
WORDS = st.lists(
    st.sampled_from([" the", " red", ",", ".", " (", ")", " 12", " 日本", "'s"]), max_size=12
).map("".join)
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=["auto", "stand-in"])
def tokenizer(request: pytest.FixtureRequest, chip: Any) -> Any:
    """With Qwen's own tokens, which the tests' packages bring, and with those that stand in for them."""
    chip.set(tokens=request.param)
    return chip.module("_emulator.tokenizer")


@pytest.fixture
def vlm(tokenizer: Any, chip: Any) -> Any:
    return chip.load()


def test_the_journal_says_whose_tokens_are_counted(vlm: Any, chip: Any) -> None:
    wanted = "stand-in" if chip.top["tokens"] == "stand-in" else "qwen"
    assert chip.journal("loaded")[0]["tokens"] == wanted


def test_qwens_own_count(chip: Any) -> None:
    """The figure is published: the template with one short question."""
    chat = chip.module("_emulator.template").ChatTemplate(later_system_is_error=True)
    prompt = chat.render([json.dumps({"role": "user", "content": "What is in this image?"})])
    assert len(chip.load().tokenize(prompt)) == 25


def test_without_its_packages_the_stand_in_counts(chip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert chip.module("_emulator.qwen").installed.__wrapped__() is None


@RELAXED
@given(text=TEXTS)
def test_any_text_survives_the_round_trip(tokenizer: Any, text: str) -> None:
    """Qwen's tokenizer composes accents first."""
    known = unicodedata.normalize("NFC", text) if tokenizer.tokens().name == "qwen" else text
    assert tokenizer.detokenize(tokenizer.tokenize(text)) == known


@RELAXED
@given(text=PROSE)
def test_pieces_are_whole_characters_that_join_to_the_text(tokenizer: Any, text: str) -> None:
    decoder = tokenizer.PieceDecoder()
    pieces = [decoder.piece(token) for token in tokenizer.tokenize(text)]
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces)


@RELAXED
@given(text=WORDS, more=WORDS)
def test_settled_tokens_stay_whatever_follows(tokenizer: Any, text: str, more: str) -> None:
    settled = tokenizer.tokens().settled(text)
    assert tokenizer.tokenize(text + more)[: len(settled)] == settled


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
    tokens = tokenizer.tokenize("🪿")
    assert len(tokens) > 1
    assert [decoder.piece(token) for token in tokens] == [*[""] * (len(tokens) - 1), "🪿"]


def test_bytes_of_an_unfinished_character_can_be_dropped(tokenizer: Any) -> None:
    decoder = tokenizer.PieceDecoder()
    decoder.piece(tokenizer.tokenize("🪿")[0])
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
