"""Generation parameters and the other arguments of generate (hailo.md 3, 10.2)."""

import inspect
import time
from typing import Any

import numpy as np
import pytest

REJECTED = [
    ("temperature", 0),
    ("temperature", 0.0),
    ("temperature", -1.0),
    ("temperature", float("nan")),
    ("top_p", -0.1),
    ("top_p", 1.01),
    ("top_k", 0),
    ("frequency_penalty", 0.0),
]
ILL_TYPED = [
    ("temperature", "0.5"),
    ("top_p", "x"),
    ("top_k", -1),
    ("top_k", 1.5),
    ("max_generated_tokens", -1),
    ("max_generated_tokens", 10.0),
    ("max_generated_tokens", "10"),
    ("seed", -1),
    ("seed", 2**32),
    ("seed", 1.0),
    ("do_sample", "yes"),
]
ACCEPTED = [
    ("temperature", 1),
    ("temperature", 100.0),
    ("temperature", np.float32(0.5)),
    ("top_p", 0),
    ("top_p", 1.0),
    ("top_k", 1000),
    ("frequency_penalty", -1.0),
    ("max_generated_tokens", 1),
    ("seed", 2**32 - 1),
    ("seed", np.int64(5)),
    ("do_sample", True),
    ("do_sample", 1),
]


@pytest.mark.parametrize(("name", "value"), REJECTED)
def test_values_out_of_range_are_invalid_arguments_and_change_nothing(
    vlm: Any, chip: Any, user: Any, pictures: Any, name: str, value: Any
) -> None:
    with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException, match=r"See hailort\.log"):
        vlm.generate([user("Hi", 1)], [pictures.plain(255, 0, 0)], **{name: value})
    assert vlm.get_context_usage_size() == 0
    vlm.generate_all([user("Hi", 1)], [pictures.plain(255, 0, 0)])
    assert chip.journal("generate")[-1]["prompt"].startswith("<|im_start|>system")


@pytest.mark.parametrize(("name", "value"), ILL_TYPED)
def test_values_of_the_wrong_type_are_type_errors(vlm: Any, name: str, value: Any) -> None:
    with pytest.raises(TypeError):
        vlm.generate("Hi", [], **{name: value})


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_values_in_range_are_accepted(vlm: Any, name: str, value: Any) -> None:
    assert vlm.generate_all("Hi", [], **{name: value})


def test_defaults_are_the_vlms(vlm: Any, chip: Any) -> None:
    vlm.generate_all("Hi", [])
    assert chip.journal("generate")[-1]["params"] == {
        "temperature": 0.01, "top_p": 0.1, "top_k": 1, "frequency_penalty": 1.0,
        "max_generated_tokens": 1024, "do_sample": False, "seed": 2**32 - 1,
    }  # fmt: skip


def test_no_tokens_at_all(version: str, chip: Any) -> None:
    vlm = chip.load(chip.make_hef())
    if version == "5.1.1":
        with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
            vlm.generate("Hi", [], max_generated_tokens=0)
        return
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.2})
    begun = time.monotonic()
    with vlm.generate("Hi there", [], max_generated_tokens=0) as completion:
        assert time.monotonic() - begun >= 0.2, "generate() itself waits for the prefill"
        assert completion.generation_status.name == "MAX_TOKENS_REACHED"
        with pytest.raises(chip.wrapper.HailoRTInvalidOperationException):
            completion.read()
    assert vlm.get_context_usage_size() == len(vlm.tokenize("Hi there"))


def test_videos_stand_before_the_parameters_from_5_2_0(version: str, chip: Any) -> None:
    names = list(inspect.signature(chip.module("genai").VLM.generate).parameters)
    before = ["self", "prompt", "frames"] + (["videos"] if version == "5.2.0" else [])
    assert names == [*before, "temperature", "top_p", "top_k", "frequency_penalty",
                     "max_generated_tokens", "do_sample", "seed"]  # fmt: skip


def test_frames_are_required(vlm: Any) -> None:
    with pytest.raises(TypeError):
        vlm.generate("Hi")


@pytest.mark.parametrize("prompt", ["", []])
def test_an_empty_prompt_is_an_invalid_argument(vlm: Any, chip: Any, prompt: Any) -> None:
    with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
        vlm.generate(prompt, [])


def test_no_prompt_at_all(version: str, chip: Any) -> None:
    vlm = chip.load(chip.make_hef())
    if version == "5.1.1":
        with pytest.raises(chip.platform.HailoRTException, match="list of dicts in chat format"):
            vlm.generate(None, [])
    else:
        with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
            vlm.generate(None, [])


@pytest.mark.parametrize("prompt", [7, {"role": "user"}, ["text"], b"bytes"])
def test_a_prompt_of_another_type(vlm: Any, chip: Any, prompt: Any) -> None:
    with pytest.raises(chip.platform.HailoRTException, match="prompt must be a list of dicts"):
        vlm.generate(prompt, [])


def test_temperature_and_top_p_do_nothing_without_do_sample(vlm: Any, user: Any, pictures: Any) -> None:
    answers = set()
    for options in ({}, {"temperature": 5.0, "top_p": 1.0, "top_k": 50, "seed": 3}):
        vlm.clear_context()
        answers.add(vlm.generate_all([user("Describe it", 1)], [pictures.photo(1)], **options))
    assert len(answers) == 1


def test_sampling_with_the_default_top_k_is_still_greedy(vlm: Any, user: Any) -> None:
    answers = set()
    for options in ({}, {"do_sample": True, "temperature": 5.0, "top_p": 1.0, "seed": 3}):
        vlm.clear_context()
        answers.add(vlm.generate_all([user("Tell me about trains")], [], **options))
    assert len(answers) == 1


def test_sampling_follows_the_seed(vlm: Any, user: Any, pictures: Any) -> None:
    def answer(seed: int, **options: Any) -> str:
        vlm.clear_context()
        sampling: dict[str, Any] = {
            "do_sample": True,
            "temperature": 1.0,
            "top_p": 1.0,
            "top_k": 40,
            **options,
        }
        text: str = vlm.generate_all([user("Describe it", 1)], [pictures.photo(1)], seed=seed, **sampling)
        return text

    assert answer(1) == answer(1)
    assert len({answer(seed) for seed in range(8)}) >= 7
    assert len({answer(seed, top_p=0.0) for seed in range(8)}) == 1
    assert len({answer(seed, temperature=0.01) for seed in range(8)}) == 1


def test_the_random_seed_is_random(vlm: Any, user: Any, pictures: Any) -> None:
    answers = set()
    for _ in range(6):
        vlm.clear_context()
        sampling = {"do_sample": True, "temperature": 2.0, "top_p": 1.0, "top_k": 40}
        answers.add(vlm.generate_all([user("Describe it", 1)], [pictures.photo(1)], **sampling))
    assert len(answers) >= 4


def test_frequency_penalty_has_an_effect_over_turns(vlm: Any, user: Any, pictures: Any) -> None:
    answers = set()
    for penalty in (1.0, 3.0):
        vlm.clear_context()
        vlm.generate_all([user("Describe it", 1)], [pictures.photo(1)], frequency_penalty=penalty)
        answers.add(
            vlm.generate_all([user("Describe it", 1)], [pictures.photo(1)], frequency_penalty=penalty)
        )
    assert len(answers) == 2
