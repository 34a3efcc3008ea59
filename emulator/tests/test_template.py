"""The chat template and the first-message state (hailo.md 2.1)."""

import json
from typing import Any

import pytest

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
ASK = "<|im_start|>assistant\n"


@pytest.fixture
def render(chip: Any) -> Any:
    template = chip.module("_emulator.template").ChatTemplate(later_system_is_error=False)

    def rendered(*messages: Any, reset: bool = False) -> str:
        if reset:
            template.reset()
        text: str = template.render([json.dumps(message) for message in messages])
        return text

    return rendered


def turn(role: str, text: str) -> str:
    return f"<|im_start|>{role}\n{text}<|im_end|>\n"


def test_the_first_list_gets_the_default_system_block(render: Any, user: Any) -> None:
    assert render(user("Hi")) == SYSTEM + turn("user", "Hi") + ASK


def test_a_system_message_replaces_the_default(render: Any) -> None:
    messages = [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Hi"}]
    assert render(*messages) == turn("system", "Be terse.") + turn("user", "Hi") + ASK


def test_a_whole_history_renders_in_one_go(render: Any) -> None:
    messages = [{"role": r, "content": c} for r, c in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    assert render(*messages) == SYSTEM + turn("user", "a") + turn("assistant", "b") + turn("user", "c") + ASK


def test_later_lists_have_no_system_block(render: Any, user: Any) -> None:
    render(user("first"))
    assert render(user("second")) == turn("user", "second") + ASK


def test_reset_makes_the_next_list_the_first(render: Any, user: Any) -> None:
    render(user("first"))
    assert render(user("again"), reset=True).startswith(SYSTEM)


@pytest.mark.parametrize(
    "part", [{"type": "image"}, {"type": "x", "image": 1}, {"type": "y", "image_url": {}}]
)
def test_what_counts_as_an_image(render: Any, part: dict[str, Any]) -> None:
    text = render({"role": "user", "content": [part]})
    assert "<|vision_start|><|image_pad|><|vision_end|>" in text


def test_a_video_has_its_own_placeholder(render: Any) -> None:
    assert "<|video_pad|>" in render({"role": "user", "content": [{"type": "video"}]})


def test_missing_keys_render_as_none(render: Any) -> None:
    assert turn("user", "None") in render({"role": "user", "content": [{"type": "text"}]})


def test_a_message_without_content_is_empty(render: Any) -> None:
    assert turn("user", "") in render({"role": "user", "content": None})


def test_a_template_error_is_status_8_and_uses_up_the_first_message_state(
    vlm: Any, chip: Any, user: Any
) -> None:
    with pytest.raises(chip.platform.HailoRTException, match=r"8 \(HAILO_INTERNAL_FAILURE\)"):
        vlm.generate([{"role": "user", "content": 7}], [])
    with vlm.generate([user("Hi")], []):
        pass
    assert not chip.journal("generate")[-1]["prompt"].startswith(SYSTEM)


def test_a_raw_prompt_leaves_the_first_message_state_alone(vlm: Any, chip: Any, user: Any) -> None:
    vlm.generate_all("plain text", [])
    vlm.generate_all([user("Hi")], [])
    assert chip.journal("generate")[-1]["prompt"].startswith(SYSTEM)


def test_a_system_message_on_a_context_that_has_begun(version: str, chip: Any, user: Any) -> None:
    vlm = chip.load(chip.make_hef())
    vlm.generate_all([user("Hi")], [])
    late = [{"role": "system", "content": "Be a pirate."}, user("Again")]
    if version == "5.2.0":
        with pytest.raises(chip.wrapper.HailoRTInvalidOperationException):
            vlm.generate(late, [])
    else:
        vlm.generate_all(late, [])
        assert turn("system", "Be a pirate.") in chip.journal("generate")[-1]["prompt"]


def test_prompt_template_is_the_jinja_text(vlm: Any) -> None:
    assert "add_generation_prompt" in vlm.prompt_template()
