"""What of a prompt the model's context already holds."""

from hailo_vision.npu.worker.prefix_cache import PrefixCache, Suffix, digest

CAT, DOG = digest(b"cat"), digest(b"dog")


def filled(pieces: list[str], key: str | None = "me", frames: tuple[bytes, ...] = (CAT,)) -> PrefixCache:
    cache = PrefixCache()
    cache.record(key, "prompt ", frames, 10, pieces)
    return cache


def test_the_last_token_has_not_been_fed_back() -> None:
    cache = filled(["Hel", "lo", "<|im_end|>"])
    assert cache.tokens == 12
    assert cache.suffix_of("prompt Hello<|im_end|>\nmore", [CAT], "me") == Suffix("<|im_end|>\nmore", 1)


def test_an_answer_cut_by_its_limit_lacks_its_last_word() -> None:
    assert filled(["Hel", "lo"]).suffix_of("prompt Hello!", [CAT], "me") == Suffix("lo!", 1)


def test_only_the_new_frames_are_left() -> None:
    assert filled(["a", "b"]).suffix_of("prompt ab more", [CAT, DOG], "me") == Suffix("b more", 1)


def test_nothing_is_reused_across_clients() -> None:
    assert filled(["a", "b"]).suffix_of("prompt ab", [CAT], "you") is None
    assert filled(["a", "b"], key=None).suffix_of("prompt ab", [CAT], None) is None


def test_another_text_or_picture_is_not_reused() -> None:
    cache = filled(["a", "b"])
    assert cache.suffix_of("Prompt ab", [CAT], "me") is None
    assert cache.suffix_of("prompt ab", [DOG], "me") is None
    assert cache.suffix_of("prompt ab", [], "me") is None


def test_a_prompt_with_nothing_new_is_not_reused() -> None:
    assert filled(["a", "b"]).suffix_of("prompt a", [CAT], "me") is None


def test_a_cut_inside_a_character_is_not_reused() -> None:
    assert filled(["a", "", "é"]).suffix_of("prompt aé", [CAT], "me") is None


def test_what_was_forgotten_is_not_reused() -> None:
    cache = filled(["a", "b"])
    cache.clear()
    assert cache.suffix_of("prompt ab", [CAT], "me") is None
