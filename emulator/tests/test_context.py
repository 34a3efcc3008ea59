"""The context: what the cache holds after each kind of end, overflow, saving, reuse (hailo.md 2)."""

from typing import Any

import pytest

HEAD = "<|im_start|>system\nBe helpful.<|im_end|>\n"
ASK = "<|im_start|>assistant\n"


def said(role: str, text: str) -> str:
    return f"<|im_start|>{role}\n{text}<|im_end|>\n"


def shown(text: str) -> str:
    return said("user", f"<|vision_start|><|image_pad|><|vision_end|>{text}")


def answer(vlm: Any, prompt: str, frames: list[Any], **options: Any) -> list[str]:
    with vlm.generate(prompt, frames, **options) as completion:
        return list(completion)


def test_a_fresh_context_is_empty_and_holds_2048(vlm: Any) -> None:
    assert (vlm.get_context_usage_size(), vlm.max_context_capacity()) == (0, 2048)


def test_usage_after_a_natural_end_counts_the_pending_end_token(vlm: Any, pictures: Any) -> None:
    prompt = HEAD + shown("What is it?") + ASK
    pieces = answer(vlm, prompt, [pictures.photo(1)])
    assert vlm.get_context_usage_size() == len(vlm.tokenize(prompt)) + 143 + len(pieces)


def test_the_pending_end_token_is_lost_with_the_next_prompt(vlm: Any) -> None:
    prompt, more = HEAD + said("user", "Hello") + ASK, said("user", "And now?") + ASK
    pieces = answer(vlm, prompt, [])
    before = vlm.get_context_usage_size()
    with vlm.generate(more, [], max_generated_tokens=1):
        pass
    assert pieces[-1] == "<|im_end|>"
    assert vlm.get_context_usage_size() == before - 1 + len(vlm.tokenize(more)) + 2


def test_usage_after_a_cut_counts_the_last_token_and_the_recovery(vlm: Any) -> None:
    """Both wait outside the cache, and both are lost with the next prompt."""
    prompt, more = HEAD + said("user", "Hello trains") + ASK, said("user", "And?") + ASK
    answer(vlm, prompt, [], max_generated_tokens=4)
    assert vlm.get_context_usage_size() == len(vlm.tokenize(prompt)) + 3 + 2
    vlm.set_generation_recovery_sequence("")
    with vlm.generate(more, [], max_generated_tokens=1):
        pass
    assert vlm.get_context_usage_size() == len(vlm.tokenize(prompt)) + 3 + len(vlm.tokenize(more)) + 1


def test_clear_context_empties_it(vlm: Any) -> None:
    answer(vlm, HEAD + said("user", "Hello") + ASK, [])
    vlm.clear_context()
    assert vlm.get_context_usage_size() == 0


LONG = "Tell me about trains, bridges and rivers, please."


@pytest.mark.parametrize("cut", [None, 1, 3, 9, 20])
def test_a_reused_context_answers_as_a_full_prefill(vlm: Any, pictures: Any, cut: int | None) -> None:
    """The continuation begins with what the chip lost: the last token and the end mark."""
    frames = [pictures.photo(5), pictures.photo(6)]
    first = HEAD + shown(LONG) + ASK
    second = said("user", "What did I say?") + shown("Compare it with the first.") + ASK
    options: dict[str, Any] = {} if cut is None else {"max_generated_tokens": cut}
    pieces = answer(vlm, first, frames[:1], **options)
    text = "".join(pieces[:-1])
    lost = "" if cut is None else pieces[cut - 1]
    reused = answer(vlm, f"{lost}<|im_end|>\n" + second, frames[1:])
    vlm.clear_context()
    assert answer(vlm, first + f"{text}<|im_end|>\n" + second, frames) == reused


def test_six_turns_reused_answer_as_full_prefills(vlm: Any, pictures: Any) -> None:
    questions = [
        "What is it?",
        "What colour is it?",
        "Is it dark?",
        "What is at the top left?",
        "Why? 🙂",
        "Bye 日本",
    ]
    frame = pictures.photo(9)
    history = HEAD + shown(questions[0]) + ASK
    pending, reused = history, []
    for question in questions[1:]:
        pieces = answer(vlm, pending, [frame] if pending is history else [])
        reused.append(pieces)
        pending = "<|im_end|>\n" + said("user", question) + ASK
    reused.append(answer(vlm, pending, []))
    text = history
    for question, pieces in zip([*questions[1:], ""], reused, strict=True):
        vlm.clear_context()
        assert answer(vlm, text, [frame]) == pieces
        text += "".join(pieces) + "\n" + said("user", question) + ASK


def test_a_lost_end_mark_changes_the_answer(vlm: Any) -> None:
    first, second = HEAD + said("user", "Hello there") + ASK, said("user", "Tell me of trains") + ASK
    answers = []
    for start in ("", "<|im_end|>\n"):
        vlm.clear_context()
        spoken = "".join(answer(vlm, first, [])[:-1])
        answers.append("".join(answer(vlm, start + second, [])))
    torn, whole = answers
    assert torn != whole
    assert torn.startswith(spoken.split()[-4])
    assert not whole.startswith(spoken.split()[-4])


def test_message_lists_lose_the_end_mark_between_turns(vlm: Any, user: Any) -> None:
    """Why the service sends raw prompts: the model's own way of going on is damaged (2.2)."""
    vlm.generate_all([user("Hello there")], [])
    continued = vlm.generate_all([user("Tell me of trains")], [])
    vlm.clear_context()
    spoken = vlm.generate_all([user("Hello there")], []).removesuffix("<|im_end|>")
    vlm.clear_context()
    whole = [user("Hello there"), {"role": "assistant", "content": spoken}, user("Tell me of trains")]
    assert vlm.generate_all(whole, []) != continued


def test_overflow_is_silent_but_for_one_warning(
    vlm: Any, chip: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join(["word"] * 2040)
    prompt = HEAD + said("user", f"Tell me about trains. {words}") + ASK
    with vlm.generate(prompt, [], max_generated_tokens=200) as completion:
        text = "".join(completion)
    assert vlm.get_context_usage_size() > 2048
    assert text
    assert capsys.readouterr().err.count("Conversation context is full") == 1
    assert chip.journal("overflow")
    assert chip.counters()["overflowed"] >= 1


def test_after_an_overflow_answers_are_worse(vlm: Any, pictures: Any) -> None:
    first = HEAD + shown("What is it?") + ASK
    good = "".join(answer(vlm, first, [pictures.photo(2)]))
    for _ in range(3):
        filler = "<|im_end|>\n" + said("user", "word " * 700) + ASK
        answer(vlm, filler, [], max_generated_tokens=1)
    again = "".join(answer(vlm, "<|im_end|>\n" + shown("What is it?") + ASK, [pictures.photo(2)]))
    assert again != good
    assert any(babble in again for babble in ("the the", "of of of", "is is", "picture picture", "0 0 0"))


def test_a_frame_that_is_partly_overwritten_is_no_longer_seen(vlm: Any, pictures: Any) -> None:
    prompt = (
        said("user", "<|image_pad|>") + said("user", "word " * 1920 + "How many pictures are there?") + ASK
    )
    vlm.set_stop_tokens(["<|im_end|>"])
    whole = len(vlm.tokenize(prompt)) + 143
    assert 2048 < whole < 2150
    text = "".join(answer(vlm, prompt, [pictures.photo(2)], max_generated_tokens=60))
    assert "one picture" not in text


def test_a_saved_context_goes_on_as_if_nothing_had_happened(vlm: Any, chip: Any, pictures: Any) -> None:
    answer(vlm, HEAD + shown("What is it?") + ASK, [pictures.photo(3)])
    saved, usage = vlm.save_context(), vlm.get_context_usage_size()
    assert 29_000_000 < len(saved) < 31_000_000
    more = "<|im_end|>\n" + said("user", "What colour is it?") + ASK
    expected = answer(vlm, more, [])
    vlm.clear_context()
    vlm.load_context(saved)
    assert vlm.get_context_usage_size() == usage
    assert answer(vlm, more, []) == expected
    vlm.release()
    again = chip.load()
    again.load_context(saved)
    assert answer(again, more, []) == expected


def test_load_context_leaves_the_first_message_state_alone(vlm: Any, chip: Any, user: Any) -> None:
    vlm.generate_all([user("Hi")], [])
    saved = vlm.save_context()
    vlm.release()
    again = chip.load()
    again.load_context(saved)
    again.generate_all([user("Again")], [])
    assert chip.journal("generate")[-1]["prompt"].startswith("<|im_start|>system")


def test_foreign_contexts_are_invalid_arguments(vlm: Any, chip: Any) -> None:
    saved = vlm.save_context()
    vlm.release()
    other = chip.load(chip.make_hef("other.hef", model="Qwen3-VL-2B-Instruct"))
    for blob in (saved, b"", b"short", saved[:-1], b"\1" + saved[1:]):
        with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
            other.load_context(blob)
    with pytest.raises(TypeError):
        other.load_context(bytearray(saved))


def test_a_full_context_cannot_be_restored(vlm: Any, chip: Any) -> None:
    with vlm.generate("word " * 2100, [], max_generated_tokens=1):
        pass
    saved = vlm.save_context()
    with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
        vlm.load_context(saved)


def in_parts(vlm: Any, parts: list[tuple[str, list[Any]]]) -> tuple[list[str], int]:
    """Answer and usage for a prompt in several calls, each but the last with one token."""
    vlm.clear_context()
    for prompt, frames in parts[:-1]:
        pieces = answer(vlm, prompt, frames, max_generated_tokens=1)
        assert len(pieces) == 2
    return answer(vlm, *parts[-1]), vlm.get_context_usage_size()


@pytest.mark.parametrize("size", [5, 2, 1])
def test_a_prompt_in_parts_is_the_same_prompt(chip: Any, pictures: Any, size: int) -> None:
    """Cut where a special token begins, also inside a turn: same answer, same count."""
    chip.set(version="5.2.0")
    vlm = chip.load()
    frames = [pictures.photo(seed) for seed in range(10)]
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    head, tail = HEAD + "<|im_start|>user\n", "How do they differ?<|im_end|>\n" + ASK
    whole = in_parts(vlm, [(head + picture * 10 + tail, frames)])
    starts = range(0, 10, size)
    parts = [(picture * size, frames[start : start + size]) for start in starts]
    parts[0] = (head + parts[0][0], parts[0][1])
    parts[-1] = (parts[-1][0] + tail, parts[-1][1])
    assert in_parts(vlm, parts) == whole
    parts = [*parts[:-1], (parts[-1][0].removesuffix(tail), parts[-1][1]), (tail[19:], [])]
    parts[-2] = (parts[-2][0] + tail[:19], parts[-2][1])
    assert in_parts(vlm, parts) == whole
    cells = sum(chip.journal("prefill")[-1 - index]["cells"] for index in range(len(parts)))
    assert cells == len(vlm.tokenize(head + picture * 10 + tail)) + 10 * 143
