"""Renders conversations with the model's own chat template.

The text is rendered here from the template that the model carries, not by HailoRT from message lists:
so its tokens can be counted before anything is sent, what users type can't become control tokens, and
a next turn can be compared with what the context already holds.
"""

import re
from collections.abc import Sequence

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hailo_vision.errors import Kind, RequestError
from hailo_vision.inference.request import Image, Turn

IMAGE_PLACEHOLDER = "<|image_pad|>"
VIDEO_PLACEHOLDER = "<|video_pad|>"
_CONTROL_TOKEN = re.compile(r"<\|(?=[A-Za-z0-9_]+\|>)")


class PromptTemplate:
    """A model's chat template (Jinja), as HailoRT's prompt_template() gives it."""

    def __init__(self, source: str) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string(source)
        # A chain of mappings, of which each rendering would make a dict.
        self._template.globals = dict(self._template.globals)

    def render(self, turns: Sequence[Turn]) -> str:
        """The prompt text of a whole conversation, ending where the assistant's answer begins or, if its
        last turn is the assistant's, where that text ends.

        Raises:
            RequestError: the template fails, or its placeholders are not the conversation's images:
                sending such a prompt would poison the model.
        """
        begun = begun_answer(turns)
        if begun is not None:
            turns = turns[:-1]
        messages = [{"role": turn.role, "content": [_item(part) for part in turn.content]} for turn in turns]
        try:
            text = self._template.render(messages=messages, add_generation_prompt=True)
        except jinja2.TemplateError as error:
            raise RequestError(Kind.INTERNAL_ERROR, f"The model's chat template failed: {error}") from error
        images = sum(len(turn.images) for turn in turns)
        if text.count(IMAGE_PLACEHOLDER) != images or VIDEO_PLACEHOLDER in text:
            raise RequestError(
                Kind.INTERNAL_ERROR, "The model's chat template did not place every image once."
            )
        return text + neutralise(begun or "")


def begun_answer(turns: Sequence[Turn]) -> str | None:
    """The text of an answer that the client began and the model is to continue; None if there is none."""
    if len(turns) < 2 or turns[-1].role != "assistant":
        return None
    return "".join(part for part in turns[-1].content if isinstance(part, str))


def _item(part: str | Image) -> dict[str, str]:
    if isinstance(part, Image):
        return {"type": "image"}
    return {"type": "text", "text": neutralise(part)}


def neutralise(text: str) -> str:
    """Text in which nothing is a control token any more: "<|im_start|>" becomes "< |im_start|>".

    HailoRT tokenises prompts with special tokens active, so typed ones could speak in another role or
    claim images that are not there.
    """
    return _CONTROL_TOKEN.sub("< |", text)
