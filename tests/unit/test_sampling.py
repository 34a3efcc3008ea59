"""What HailoRT is told of how tokens are picked: it refuses some values and reads others in its own way."""

from typing import Any

import pytest

from hailo_vision.npu.protocol import Sampling
from hailo_vision.npu.worker.device import parameters_of

GREEDY = {"do_sample": False, "temperature": 1.0, "top_k": 1}
ALL_TOKENS = 100_000
ANOTHER_EACH_TIME = 2**32 - 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"temperature": 0.7, "top_p": 0.9, "top_k": 5}, {"temperature": 0.7, "top_p": 0.9, "top_k": 5}),
        ({"temperature": 0.7}, {"do_sample": True}),
        ({"temperature": 0}, GREEDY),
        ({"temperature": 1e-45}, GREEDY),
        ({"temperature": 0.7, "top_p": 0}, GREEDY),
        ({"temperature": 0.7, "top_p": 1e-45}, GREEDY),
        ({"temperature": 0, "repetition_penalty": 1.3}, GREEDY | {"frequency_penalty": 1.3}),
        ({"temperature": 0.7, "repetition_penalty": 1.3}, {"frequency_penalty": 1.3}),
        ({"temperature": 0.7, "top_k": 0}, {"top_k": ALL_TOKENS}),
        ({"temperature": 0.7, "top_k": -1}, {"top_k": ALL_TOKENS}),
        ({"temperature": 0.7, "top_k": ALL_TOKENS + 1}, {"top_k": ALL_TOKENS}),
        ({"temperature": 0.7, "seed": None}, {"seed": ANOTHER_EACH_TIME}),
        ({"temperature": 0.7, "seed": 7}, {"seed": 7}),
        ({"temperature": 0.7, "seed": ANOTHER_EACH_TIME}, {"seed": 0}),
        ({"temperature": 0.7, "seed": 2**32}, {"seed": 1}),
        ({"temperature": 0.7, "seed": -1}, {"seed": ANOTHER_EACH_TIME - 1}),
    ],
)
def test_what_hailort_is_told(asked: dict[str, Any], told: dict[str, Any]) -> None:
    parameters = parameters_of(Sampling(**asked))
    assert {name: parameters[name] for name in told} == told
