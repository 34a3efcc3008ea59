"""The models that exist for the Hailo-10H: what sets one apart from another.

Source: docs/MODELS.rst of hailo-ai/hailo_model_zoo_genai. Qwen2-VL merges 2 x 2 patches of 14 pixels into a
token, Qwen3-VL 2 x 2 of 16: by their frames that makes 144 for both.
"""

from dataclasses import dataclass

from hailo_platform._emulator.template import QWEN2_VL_TEMPLATE, QWEN3_VL_TEMPLATE


@dataclass(frozen=True)
class ModelKind:
    """A model's prompt template, its frame (height, width, channels), and how heavy it is.

    `max_frames` is what one request may hold (None: no limit of the model's), `pace` the factor on encoding,
    prefill and tokens as against Qwen2-VL, `megabytes` the size of the real file.
    """

    template: str
    frame_shape: tuple[int, int, int]
    max_frames: int | None
    pace: float
    megabytes: float


QWEN2_VL = ModelKind(QWEN2_VL_TEMPLATE, (336, 336, 3), None, 1.0, 2180.0)
# Published for 5.3.0: 1.47 s to the first token and 4.74 tokens/s; Qwen2-VL takes 1.02 s and gives 7.04.
QWEN3_VL = ModelKind(QWEN3_VL_TEMPLATE, (288, 512, 3), 1, 1.46, 3186.0)


def kind_of(model: str) -> ModelKind:
    """The kind of a model by its name, such as "Qwen3-VL-2B-Instruct"."""
    return QWEN3_VL if model.lower().startswith("qwen3-vl") else QWEN2_VL
