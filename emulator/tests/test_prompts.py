"""What real applications' prompts take of the context, by Qwen's own tokens; docs/api.md shows the table."""

import json
from pathlib import Path
from typing import Any

import pytest
from prompts import PROMPTS

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
CAPACITY, TOKENS_PER_FRAME = 2048, 144


@pytest.fixture
def counted(chip: Any) -> dict[str, int]:
    """The tokens of each prompt, its pictures included, after the model's own template."""
    vlm, template = chip.load(), chip.module("_emulator.template")
    found = {}
    for name, messages in PROMPTS.items():
        chat = template.ChatTemplate(later_system_is_error=True)
        prompt = chat.render([json.dumps(message) for message in messages])
        pictures = prompt.count("<|image_pad|>")
        found[name] = len(vlm.tokenize(prompt)) + pictures * (TOKENS_PER_FRAME - 1)
    assert chip.journal("loaded")[0]["tokens"] == "qwen"
    return found


def test_the_guides_table_is_what_is_counted(counted: dict[str, int]) -> None:
    rows = [
        f"| {name} | {tokens} | {CAPACITY - tokens if tokens < CAPACITY else 'does not fit'} |"
        for name, tokens in counted.items()
    ]
    shown = [line for line in GUIDE.read_text("utf-8").splitlines() if line.rsplit("|", 3)[0] in
             {row.rsplit("|", 3)[0] for row in rows}]  # fmt: skip
    assert shown == rows


def test_what_fits(counted: dict[str, int]) -> None:
    """Frigate's reviews and large houses don't; all else leaves room for an answer."""
    too_long = {name for name, tokens in counted.items() if tokens + 200 > CAPACITY}
    assert too_long == {"Frigate, review, 3 frames", "Home Assistant, conversation, 80 devices"}
