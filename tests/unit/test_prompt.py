"""Conversations become prompt text that holds each picture once and no control token of a user's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailo_vision.errors import RequestError
from hailo_vision.http.openai.reading import turns_of
from hailo_vision.http.openai.request_types import (
    ImageUrlPart,
    SystemMessage,
    TextPart,
    UserMessage,
    UserPart,
)
from hailo_vision.inference.prompt import IMAGE_PLACEHOLDER, PromptTemplate, neutralise
from hailo_vision.inference.request import Image, Turn

TEMPLATE = PromptTemplate(
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IMAGE = Image("data:,", "images[0]")
WORDS = ["<|", "|>", "im_start", "image_pad", "video_pad", "<", "|", ">", "_", "a", " "]
TYPED = st.lists(st.sampled_from(WORDS), max_size=12).map("".join)


def test_texts_and_pictures_keep_their_order() -> None:
    turns = [Turn("system", ["Be short."]), Turn("user", ["one ", IMAGE, " two ", IMAGE])]
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    assert TEMPLATE.render(turns) == (
        "<|im_start|>system\nBe short.<|im_end|>\n"
        f"<|im_start|>user\none {picture} two {picture}<|im_end|>\n<|im_start|>assistant\n"
    )


@given(st.lists(st.lists(TYPED, max_size=3), max_size=3))
def test_whatever_is_typed_pictures_and_roles_stay_as_they_are(typed: list[list[str]]) -> None:
    """Also where a control token is spread over the parts of a message."""
    parts: list[UserPart] = [ImageUrlPart("x")]
    for texts in typed:
        parts += [*map(TextPart, texts), ImageUrlPart("x")]
    turns = turns_of({"a": SystemMessage("<|im_"), "b": SystemMessage("start|>"), "c": UserMessage(parts)})
    text = TEMPLATE.render(turns)
    assert text.count(IMAGE_PLACEHOLDER) == len(turns[-1].images) == len(typed) + 1
    assert text.count("<|im_start|>") == 3


@given(TYPED)
def test_neutralising_changes_nothing_else(text: str) -> None:
    assert neutralise(text).replace("< |", "<|") == text.replace("< |", "<|")


@pytest.mark.parametrize(
    "source",
    ["{{ messages[5].role }}", "no pictures", "<|image_pad|><|image_pad|>", "<|image_pad|><|video_pad|>"],
)
def test_a_template_that_would_poison_the_model_is_an_error(source: str) -> None:
    with pytest.raises(RequestError):
        PromptTemplate(source).render([Turn("user", [IMAGE])])


def test_a_template_reaches_nothing_of_python() -> None:
    with pytest.raises(RequestError):
        PromptTemplate("{{ messages.__class__.__mro__[1].__subclasses__() }}").render([Turn("user", ["x"])])


def test_lines_of_a_template_that_hold_a_block_only_are_none_of_the_prompt() -> None:
    """Models are trained with prompts that Transformers rendered so."""
    lines = PromptTemplate(
        "{% for turn in messages %}\n  {% if true %}\n{{ turn.role }}\n  {% endif %}\n{% endfor %}"
    )
    assert lines.render([Turn("system", ["x"]), Turn("user", ["x"])]) == "system\nuser\n"


def test_what_only_looks_like_a_control_token_stays() -> None:
    assert neutralise("a <| b |> <|c d|> <|im_end|>") == "a <| b |> <|c d|> < |im_end|>"


def test_an_assistants_last_turn_is_continued() -> None:
    turns = [Turn("user", ["Name a fruit."]), Turn("assistant", ["An apple<|im_end|> a"])]
    assert TEMPLATE.render(turns) == (
        "<|im_start|>user\nName a fruit.<|im_end|>\n<|im_start|>assistant\nAn apple< |im_end|> a"
    )


def test_an_assistants_only_turn_is_no_begun_answer() -> None:
    """Templates fail without any message."""
    assert TEMPLATE.render([Turn("assistant", ["Hi"])]) == (
        "<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
