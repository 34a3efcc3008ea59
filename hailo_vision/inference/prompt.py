"""Conversations as the model's own prompt text.

The text is rendered here from the template that the model carries, not by HailoRT from message lists:
so its tokens can be counted before anything is sent, what users type can't become control tokens, and
a next turn can be compared with what the context already holds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hailo_vision.errors import InternalError

IMAGE_PLACEHOLDER = "<|image_pad|>"
VIDEO_PLACEHOLDER = "<|video_pad|>"
_CONTROL_TOKEN = re.compile(r"<\|(?=[A-Za-z0-9_]+\|>)")

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Picture:
    """The place of a picture in a message."""


@dataclass(frozen=True)
class Turn:
    """One message: its role and its texts and pictures in order."""

    role: Role
    content: Sequence[str | Picture]


class PromptTemplate:
    """A model's chat template (Jinja), as HailoRT's prompt_template() gives it."""

    def __init__(self, source: str) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string(source)

    def render(self, turns: Sequence[Turn]) -> str:
        """The prompt text of a whole conversation, ending where the assistant's answer begins.

        Raises:
            InternalError: the template fails, or its placeholders are not the conversation's pictures:
                sending such a prompt would poison the model.
        """
        messages = [{"role": turn.role, "content": [_item(part) for part in turn.content]} for turn in turns]
        try:
            text = self._template.render(messages=messages, add_generation_prompt=True)
        except jinja2.TemplateError as error:
            raise InternalError(f"The model's chat template failed: {error}") from error
        pictures = sum(isinstance(part, Picture) for turn in turns for part in turn.content)
        if text.count(IMAGE_PLACEHOLDER) != pictures or VIDEO_PLACEHOLDER in text:
            raise InternalError("The model's chat template did not place every picture once.")
        return text


def _item(part: str | Picture) -> dict[str, str]:
    if isinstance(part, Picture):
        return {"type": "image"}
    return {"type": "text", "text": neutralise(part)}


def neutralise(text: str) -> str:
    """Text in which nothing is a control token any more: "<|im_start|>" becomes "< |im_start|>".

    HailoRT tokenises prompts with special tokens active, so typed ones could speak in another role or
    claim pictures that are not there.
    """
    return _CONTROL_TOKEN.sub("< |", text)
