"""Frames: what the bindings take and the chip makes of it, poisoning, desynchronisation (hailo.md 2.4)."""

from typing import Any

import numpy as np
import pytest


class Duck:
    dtype, nbytes = "uint8", 338688


def test_frames_must_be_a_list(vlm: Any, chip: Any, pictures: Any) -> None:
    for frames in (None, pictures.plain(1, 2, 3), (pictures.plain(1, 2, 3),)):
        with pytest.raises(chip.platform.HailoRTException, match="list"):
            vlm.generate("Hi", frames)


def test_elements_must_look_like_arrays(vlm: Any, chip: Any) -> None:
    with pytest.raises(chip.platform.HailoRTException, match="each frame must be a numpy array"):
        vlm.generate("Hi", [b"bytes"])
    with pytest.raises(TypeError):
        vlm.generate("Hi", [Duck()])


def test_a_read_only_array_is_a_value_error(vlm: Any, user: Any, pictures: Any) -> None:
    frame = np.frombuffer(pictures.plain(1, 2, 3).tobytes(), dtype=np.uint8).reshape(336, 336, 3)
    with pytest.raises(ValueError, match="not writeable"):
        vlm.generate([user("Hi", 1)], [frame])


def test_swapped_channels_are_seen(vlm: Any, user: Any, pictures: Any) -> None:
    def answer(frame: Any) -> str:
        vlm.clear_context()
        text: str = vlm.generate_all([user("What colour is it?", 1)], [frame])
        return text

    red = pictures.plain(220, 20, 20)
    assert "red" in answer(red)
    assert "blue" in answer(np.ascontiguousarray(red[:, :, ::-1]).copy())


def test_a_reversed_view_arrives_unreversed_and_shifted(
    vlm: Any, chip: Any, user: Any, pictures: Any
) -> None:
    frame = pictures.photo(3)
    view = frame[:, :, ::-1]
    vlm.generate_all([user("Hi", 1)], [view])
    raw = chip.module("_emulator.frames").raw_bytes(view)
    assert raw[:-2] == frame.tobytes()[2:]
    assert raw[-2:] == b"\0\0"
    assert chip.journal("non_contiguous")
    assert chip.counters()["non_contiguous"] >= 1


def test_a_transposed_view_is_sent_in_memory_order(chip: Any, pictures: Any) -> None:
    frame = pictures.photo(4)
    assert chip.module("_emulator.frames").raw_bytes(frame.transpose(1, 0, 2)) == frame.tobytes()


@pytest.mark.parametrize("size", [335, 337, 1])
def test_wrong_bytes(version: str, chip: Any, user: Any, pictures: Any, size: int) -> None:
    vlm = chip.load(chip.make_hef())
    bad = np.zeros((size, size, 3), dtype=np.uint8)
    kind = "InvalidArgument" if version == "5.1.1" and size < 336 else "InvalidOperation"
    with pytest.raises(getattr(chip.wrapper, f"HailoRT{kind}Exception")):
        vlm.generate([user("Hi", 1)], [bad])
    if version == "5.1.1" and size < 336:
        assert vlm.generate_all([user("Hi", 1)], [pictures.plain(9, 9, 9)])
        assert "poisoned" not in chip.counters()
    elif version == "5.1.1":
        for call in (vlm.clear_context, vlm.get_context_usage_size, lambda: vlm.generate("Hi", [])):
            with pytest.raises(chip.platform.HailoCommunicationClosedException):
                call()
    else:
        assert_poisoned(vlm, chip, user, pictures)


def assert_poisoned(vlm: Any, chip: Any, user: Any, pictures: Any) -> None:
    """Every call fails on its first read, clear_context does not help, a new model does."""
    for _ in range(2):
        vlm.clear_context()
        with vlm.generate([user("Hi", 1)], [pictures.plain(9, 9, 9)]) as completion:
            with pytest.raises(chip.wrapper.HailoRTInvalidOperationException):
                completion.read()
            assert completion.generation_status.name == "GENERATING"
    assert chip.journal("poisoned")
    assert chip.counters()["poisoned"] >= 1
    vlm.release()
    assert chip.load().generate_all([user("Hi", 1)], [pictures.plain(9, 9, 9)])


@pytest.mark.parametrize(("placeholders", "frames"), [(0, 1), (1, 2), (2, 1)])
def test_a_mismatch_is_found_by_the_first_read_and_poisons(
    vlm: Any, chip: Any, user: Any, pictures: Any, placeholders: int, frames: int
) -> None:
    with vlm.generate([user("Hi", placeholders)], [pictures.plain(9, 9, 9)] * frames) as completion:
        assert completion.generation_status.name == "GENERATING"
        with pytest.raises(chip.wrapper.HailoRTInvalidOperationException):
            completion.read()
    assert_poisoned(vlm, chip, user, pictures)


def test_a_placeholder_without_frames_fails_but_does_not_poison(vlm: Any, chip: Any, user: Any) -> None:
    with (
        vlm.generate([user("Hi", 1)], []) as completion,
        pytest.raises(chip.wrapper.HailoRTInvalidOperationException),
    ):
        completion.read()
    assert vlm.generate_all([user("Hi")], [])
    assert "poisoned" not in chip.counters()


def test_placeholders_in_user_text_count(vlm: Any, chip: Any, user: Any, pictures: Any) -> None:
    with (
        vlm.generate([user("Hi <|image_pad|> there", 1)], [pictures.plain(9, 9, 9)]) as completion,
        pytest.raises(chip.wrapper.HailoRTInvalidOperationException),
    ):
        completion.read()


def test_leftover_frames_can_be_drained_by_as_many_placeholders(vlm: Any, user: Any, pictures: Any) -> None:
    with vlm.generate([user("Hi")], [pictures.plain(9, 9, 9)] * 2):
        pass
    vlm.clear_context()
    assert vlm.generate_all([user("Hi", 2)], [])
    assert vlm.generate_all([user("Hi", 1)], [pictures.plain(9, 9, 9)])


def test_more_than_five_frames(version: str, chip: Any, user: Any, pictures: Any) -> None:
    vlm = chip.load(chip.make_hef())
    frames = [pictures.plain(40 * i, 9, 9) for i in range(6)]
    if version == "5.2.0":
        assert vlm.generate_all([user("Hi", 6)], frames)
        return
    assert vlm.generate_all([user("Hi", 5)], frames[:5])
    with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
        vlm.generate([user("Hi", 6)], frames)
    for call in (vlm.clear_context, vlm.get_context_usage_size, lambda: vlm.generate("Hi", [])):
        with pytest.raises(chip.platform.HailoRTException, match=r"8 \(HAILO_INTERNAL_FAILURE"):
            call()
    vlm.release()
    assert chip.load().generate_all([user("Hi")], [])


def test_a_bad_frame_before_others_desynchronises_5_1_1(
    vlm: Any, chip: Any, user: Any, pictures: Any
) -> None:
    frames = [np.zeros((2, 2, 3), dtype=np.uint8), pictures.plain(9, 9, 9)]
    with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
        vlm.generate([user("Hi", 2)], frames)
    with pytest.raises(chip.platform.HailoRTException, match=r"8 \(HAILO_INTERNAL_FAILURE"):
        vlm.get_context_usage_size()


def test_an_encoder_failure_poisons(vlm: Any, chip: Any, user: Any, pictures: Any) -> None:
    chip.set(faults={"encoder_status": 8})
    with pytest.raises(chip.platform.HailoRTException, match="8"):
        vlm.generate([user("Hi", 1)], [pictures.plain(9, 9, 9)])
    chip.set()
    assert_poisoned(vlm, chip, user, pictures)


def test_poison_by_a_fault_once(vlm: Any, chip: Any, user: Any, pictures: Any) -> None:
    chip.set(faults={"poison": True, "times": {"poison": 1}})
    with (
        vlm.generate([user("Hi", 1)], [pictures.plain(9, 9, 9)]) as completion,
        pytest.raises(chip.wrapper.HailoRTInvalidOperationException),
    ):
        completion.read()
    assert_poisoned(vlm, chip, user, pictures)


def test_frames_may_stand_in_any_message(vlm: Any, pictures: Any) -> None:
    image = {"type": "image"}
    messages = [
        {"role": "user", "content": [image, {"type": "text", "text": "This is one."}]},
        {"role": "assistant", "content": "Thank you."},
        {"role": "user", "content": [{"type": "text", "text": "How many images are there?"}, image]},
    ]
    answer = vlm.generate_all(messages, [pictures.plain(200, 10, 10), pictures.plain(10, 10, 200)])
    assert "two" in answer
    assert answer.index("red") < answer.index("blue")


def test_each_frame_takes_144_cells(vlm: Any, user: Any, pictures: Any) -> None:
    prompt = "<|im_start|>user\n<|image_pad|><|image_pad|>Hi<|im_end|>\n<|im_start|>assistant\n"
    with vlm.generate(prompt, [pictures.photo(1), pictures.photo(2)], max_generated_tokens=1):
        pass
    assert vlm.get_context_usage_size() == len(vlm.tokenize(prompt)) + 2 * 143 + 2


def test_videos_take_144_cells_for_each_pair(chip: Any, pictures: Any) -> None:
    chip.set(version="5.2.0")
    vlm = chip.load()
    prompt = "<|im_start|>user\n<|video_pad|>Hi<|im_end|>\n<|im_start|>assistant\n"
    frames = [pictures.plain(10 * i, 90, 200 - 40 * i) for i in range(5)]
    with vlm.generate(prompt, [], videos=[frames], max_generated_tokens=1):
        pass
    assert vlm.get_context_usage_size() == len(vlm.tokenize(prompt)) + 3 * 144 - 1 + 2


def test_videos_and_frames_need_their_own_placeholders(chip: Any, user: Any, pictures: Any) -> None:
    chip.set(version="5.2.0")
    vlm = chip.load()
    moving = [pictures.plain(200, 10, 10), pictures.plain(180, 10, 10)]
    both = [
        {
            "role": "user",
            "content": [{"type": "video"}, {"type": "image"}, {"type": "text", "text": "What colour?"}],
        }
    ]
    answer = vlm.generate_all(both, [pictures.plain(10, 10, 200)], videos=[moving])
    assert answer.index("red") < answer.index("blue")
    with (
        vlm.generate([user("Hi", 1)], [], videos=[moving]) as completion,
        pytest.raises(chip.wrapper.HailoRTInvalidOperationException),
    ):
        completion.read()
    assert chip.counters()["poisoned"] == 1


def test_a_videos_order_matters(chip: Any, pictures: Any) -> None:
    chip.set(version="5.2.0")
    vlm = chip.load()
    prompt = "<|im_start|>user\n<|video_pad|>Describe it<|im_end|>\n<|im_start|>assistant\n"
    frames = [pictures.photo(seed) for seed in range(4)]
    answers = set()
    for video in (frames, frames[::-1], frames[:3]):
        vlm.clear_context()
        answers.add(vlm.generate_all(prompt, [], videos=[video]))
    assert len(answers) == 3
