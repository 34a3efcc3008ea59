"""What of a prompt the model's context already holds."""

from hailo_vision.npu.worker.prefix_cache import Ledger, Rest, digest

CAT, DOG = digest(b"cat"), digest(b"dog")


def filled(pieces: list[str], key: str | None = "me", frames: tuple[bytes, ...] = (CAT,)) -> Ledger:
    ledger = Ledger()
    ledger.record(key, "prompt ", frames, 10, pieces)
    return ledger


def test_the_last_token_has_not_been_fed_back() -> None:
    ledger = filled(["Hel", "lo", "<|im_end|>"])
    assert ledger.tokens == 12
    assert ledger.rest_of("prompt Hello<|im_end|>\nmore", [CAT], "me") == Rest("<|im_end|>\nmore", 1)


def test_an_answer_cut_by_its_limit_lacks_its_last_word() -> None:
    assert filled(["Hel", "lo"]).rest_of("prompt Hello!", [CAT], "me") == Rest("lo!", 1)


def test_only_the_new_frames_are_left() -> None:
    assert filled(["a", "b"]).rest_of("prompt ab more", [CAT, DOG], "me") == Rest("b more", 1)


def test_nothing_is_reused_across_clients() -> None:
    assert filled(["a", "b"]).rest_of("prompt ab", [CAT], "you") is None
    assert filled(["a", "b"], key=None).rest_of("prompt ab", [CAT], None) is None


def test_another_text_or_picture_is_not_reused() -> None:
    ledger = filled(["a", "b"])
    assert ledger.rest_of("Prompt ab", [CAT], "me") is None
    assert ledger.rest_of("prompt ab", [DOG], "me") is None
    assert ledger.rest_of("prompt ab", [], "me") is None


def test_a_prompt_with_nothing_new_is_not_reused() -> None:
    assert filled(["a", "b"]).rest_of("prompt a", [CAT], "me") is None


def test_a_cut_inside_a_character_is_not_reused() -> None:
    assert filled(["a", "", "é"]).rest_of("prompt aé", [CAT], "me") is None


def test_what_was_forgotten_is_not_reused() -> None:
    ledger = filled(["a", "b"])
    ledger.forget()
    assert ledger.rest_of("prompt ab", [CAT], "me") is None
