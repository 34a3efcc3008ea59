"""Qwen3-VL-2B-Instruct on 5.3: another frame, another template, one picture a request."""

import json
from typing import Any

import numpy as np
import pytest

NAME = "Qwen3-VL-2B-Instruct"


@pytest.fixture
def vlm(chip: Any) -> Any:
    chip.set(version="5.3.0")
    path = chip.folder / f"{NAME}.hef"
    chip.module("_emulator.hef").main(["make", str(path), "--model", NAME, "--sdk-version", "5.3.0"])
    return chip.load(str(path))


def picture(red: int, green: int, blue: int) -> Any:
    return np.full((288, 512, 3), (red, green, blue), dtype=np.uint8)


def test_its_frame_is_288_high_and_512_wide(vlm: Any) -> None:
    assert vlm.input_frame_shape() == [288, 512, 3]
    assert vlm.input_frame_size() == 288 * 512 * 3


def test_its_picture_takes_144_cells(vlm: Any) -> None:
    prompt = "<|im_start|>user\n<|image_pad|>Hi<|im_end|>\n<|im_start|>assistant\n"
    with vlm.generate(prompt, [picture(1, 2, 3)], max_generated_tokens=1):
        pass
    assert vlm.get_context_usage_size() == len(vlm.tokenize(prompt)) + 143 + 2


def test_it_sees_what_stands_where(vlm: Any, user: Any) -> None:
    frame = picture(220, 20, 20)
    frame[:, 256:] = (20, 20, 220)
    assert "blue at the top right" in vlm.generate_all([user("What is at the top right?", 1)], [frame])


def test_a_second_picture_in_a_request_is_refused_and_harms_nothing(vlm: Any, chip: Any, user: Any) -> None:
    with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
        vlm.generate([user("Hi", 2)], [picture(1, 2, 3)] * 2)
    vlm.clear_context()
    assert vlm.generate_all([user("Hi", 1)], [picture(1, 2, 3)])


def test_a_frame_of_qwen2_vl_is_of_the_wrong_size(vlm: Any, chip: Any, user: Any, pictures: Any) -> None:
    with pytest.raises(chip.wrapper.HailoRTInvalidOperationException):
        vlm.generate([user("Hi", 1)], [pictures.plain(1, 2, 3)])


def test_its_template_adds_no_system_message(vlm: Any, chip: Any, user: Any) -> None:
    vlm.generate_all([user("Hi", 1)], [picture(1, 2, 3)])
    assert chip.journal("generate")[0]["prompt"] == (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Hi<|im_end|>\n<|im_start|>assistant\n"
    )
    later = chip.module("_emulator.template").ChatTemplate(vlm.prompt_template(), later_system_is_error=True)
    given = [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Hi"}]
    assert later.render([json.dumps(message) for message in given]).startswith(
        "<|im_start|>system\nBe terse."
    )


@pytest.mark.parametrize("version", ["5.1.1", "5.2.0"])
def test_older_runtimes_refuse_it(chip: Any, version: str) -> None:
    chip.set(version=version)
    native = chip.module("pyhailort._pyhailort").HailoRTStatusException
    with pytest.raises(native, match=r"^6$"):
        chip.load(chip.make_hef("new.hef", model=NAME, sdk_version="5.3.0"))


def test_it_is_slower(vlm: Any, chip: Any, user: Any) -> None:
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.1, "frame_encode": 0.1})
    with vlm.generate([user("Hi", 1)], [picture(1, 2, 3)], max_generated_tokens=1) as completion:
        completion.read_all(60_000)
    entry = chip.journal("generate")[0]
    assert entry["encode_s"] >= 0.146
    assert chip.journal("finished")[0]["seconds"] >= chip.journal("prefill")[0]["chunks"] * 0.146
