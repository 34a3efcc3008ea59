"""The chat templates of Qwen2-VL and Qwen3-VL, and the state that HailoRT keeps with one.

Semantics: libhailort/src/genai/llm/minja_wrapper/minja_wrapper.cpp of hailo-ai/hailort. The templates
are written here after the published ones: same output for the same messages.
"""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from hailo_platform._emulator.errors import Status, failure

if TYPE_CHECKING:
    from jinja2 import Template

_DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}"
)
_TURNS = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}"
    "{{ message['content'] }}<|im_end|>\n"
    "{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' or 'video' in part %}"
    "<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}"
    "{{ part['text'] }}"
    "{% endif %}"
    "{% endfor %}"
    "<|im_end|>\n"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "<|im_start|>assistant\n"
    "{% endif %}"
)
QWEN2_VL_TEMPLATE = _DEFAULT_SYSTEM + _TURNS
# Without a system message there is none.
QWEN3_VL_TEMPLATE = _TURNS
_PLACEHOLDER = {"role": "TMP", "content": "TMP"}


@cache
def _compiled(source: str) -> "Template":
    import jinja2

    class _Null(jinja2.Undefined):
        """minja renders what is missing as the word None."""

        def __str__(self) -> str:
            return "None"

    # As minja reads templates, and as those of Hugging Face are written.
    environment = jinja2.Environment(
        undefined=_Null, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


class ChatTemplate:
    """Renders message lists; only the first since start or clear carries the system block."""

    def __init__(self, source: str = QWEN2_VL_TEMPLATE, *, later_system_is_error: bool) -> None:
        self.source = source
        self._later_system_is_error = later_system_is_error
        self._first = True
        self._prelude = self._apply([_PLACEHOLDER], generation_prompt=False)

    def reset(self) -> None:
        """The next message list is the first one again."""
        self._first = True

    def render(self, messages: list[str]) -> str:
        """The prompt text of a list of JSON messages.

        Raises status 8 if the template can't render them, status 6 for a system message on a context
        that has begun (5.2.0). A failed rendering still uses up the first-message state.
        """
        try:
            parsed = [json.loads(message) for message in messages]
            if self._first:
                self._first = False
                return self._apply(parsed, generation_prompt=True)
            roles = [message.get("role") for message in parsed]
        except Exception as error:
            raise failure(Status.INTERNAL_FAILURE) from error
        if self._later_system_is_error and "system" in roles:
            raise failure(Status.INVALID_OPERATION)
        try:
            return self._apply([_PLACEHOLDER, *parsed], generation_prompt=True)[len(self._prelude) :]
        except Exception as error:
            raise failure(Status.INTERNAL_FAILURE) from error

    def _apply(self, messages: list[dict[str, Any]], *, generation_prompt: bool) -> str:
        # minja loops over null as over nothing.
        shown = [{**m, "content": []} if m.get("content", "") is None else m for m in messages]
        return _compiled(self.source).render(messages=shown, add_generation_prompt=generation_prompt)
