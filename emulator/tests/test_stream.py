"""The stream of pieces, its ends, aborts and time limits (hailo.md 1.4, 1.6, 1.8, 10.3)."""

import time
from typing import Any

import pytest

END = "<|im_end|>"
CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def pieces_of(vlm: Any, text: str, **options: Any) -> tuple[list[str], str]:
    """The pieces of an answer on a fresh context, and the final status."""
    vlm.clear_context()
    with vlm.generate(CHAT.format(text), [], **options) as completion:
        pieces = list(completion)
        return pieces, completion.generation_status.name


def test_one_piece_a_token_and_the_end_token_last(vlm: Any) -> None:
    pieces, status = pieces_of(vlm, "Tell me about trains")
    assert status == "LOGICAL_END_OF_GENERATION"
    assert pieces[-1] == END
    assert END not in "".join(pieces[:-1])
    assert len(vlm.tokenize("".join(pieces))) == len(pieces)


def test_a_split_character_gives_empty_pieces(vlm: Any) -> None:
    pieces, _ = pieces_of(vlm, "What does 🪿 mean?")
    place = next(place for place, piece in enumerate(pieces) if "🪿" in piece)
    assert pieces[place - 2 : place] == ["", ""]


def test_max_tokens_gives_n_pieces_and_the_recovery_token(vlm: Any) -> None:
    vlm.clear_context()
    with vlm.generate(CHAT.format("Tell me about trains"), [], max_generated_tokens=5) as completion:
        seen = []
        while completion.generation_status.name == "GENERATING":
            seen.append((completion.read(), completion.generation_status.name))
    assert [status for _, status in seen] == ["GENERATING"] * 5 + ["MAX_TOKENS_REACHED"]
    assert [piece for piece, _ in seen[-1:]] == [END]
    assert END not in "".join(piece for piece, _ in seen[:-1])


def test_the_end_token_as_last_allowed_token_comes_twice(vlm: Any) -> None:
    natural, _ = pieces_of(vlm, "Tell me about trains")
    pieces, status = pieces_of(vlm, "Tell me about trains", max_generated_tokens=len(natural))
    assert status == "MAX_TOKENS_REACHED"
    assert pieces == [*natural, END]


def test_a_cut_inside_a_character_drops_its_bytes(vlm: Any) -> None:
    natural, _ = pieces_of(vlm, "What does 🪿 mean?")
    place = next(place for place, piece in enumerate(natural) if "🪿" in piece)
    pieces, _ = pieces_of(vlm, "What does 🪿 mean?", max_generated_tokens=place)
    assert "".join(pieces) == "".join(natural[:place])
    assert pieces[-2:] == ["", ""], "the rest of the character takes the recovery token's text with it"


def test_the_recovery_sequence_can_be_changed(vlm: Any) -> None:
    assert vlm.get_generation_recovery_sequence() == END
    vlm.set_generation_recovery_sequence("cut off<|im_end|>")
    pieces, status = pieces_of(vlm, "Tell me about trains", max_generated_tokens=3)
    assert "".join(pieces[3:]) == "cut off<|im_end|>"
    assert status == "MAX_TOKENS_REACHED"


def test_without_recovery_the_last_token_carries_the_status(vlm: Any) -> None:
    vlm.set_generation_recovery_sequence("")
    assert vlm.get_generation_recovery_sequence() == ""
    pieces, status = pieces_of(vlm, "Tell me about trains", max_generated_tokens=3)
    assert (len(pieces), status) == (3, "MAX_TOKENS_REACHED")


def test_stop_tokens_match_token_sequences_and_replace_the_models(vlm: Any) -> None:
    assert vlm.get_stop_tokens() == [END, "<|endoftext|>"]
    natural, _ = pieces_of(vlm, "Tell me about trains")
    vlm.set_stop_tokens([natural[3] + natural[4]])
    pieces, status = pieces_of(vlm, "Tell me about trains")
    assert (pieces, status) == (natural[:5], "LOGICAL_END_OF_GENERATION")
    vlm.set_stop_tokens(["never said"])
    pieces, status = pieces_of(vlm, "Tell me about trains", max_generated_tokens=100)
    assert (len(pieces), status) == (101, "MAX_TOKENS_REACHED")


def test_read_after_the_end(vlm: Any, chip: Any) -> None:
    with vlm.generate("Hi", []) as completion:
        completion.read_all()
        with pytest.raises(chip.wrapper.HailoRTInvalidOperationException):
            completion.read()
        assert list(completion) == []


def test_use_after_release(vlm: Any) -> None:
    completion = vlm.generate("Hi", [])
    completion.release()
    completion.release()
    for call in (completion.read, completion.read_all, lambda: completion.generation_status):
        with pytest.raises(AttributeError):
            call()


def test_a_read_timeout_destroys_nothing(vlm: Any, chip: Any) -> None:
    whole = vlm.generate_all(CHAT.format("Tell me about trains"), [])
    vlm.clear_context()
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.3, "token": 0.0})
    with vlm.generate(CHAT.format("Tell me about trains"), []) as completion:
        begun = time.monotonic()
        with pytest.raises(chip.wrapper.HailoRTTimeout):
            completion.read(timeout_ms=100)
        assert 0.1 <= time.monotonic() - begun < 0.25
        assert completion.generation_status.name == "GENERATING"
        assert completion.read_all() == whole


@pytest.mark.parametrize("timeout", [1.5, -1, "10", 2**32])
def test_a_time_limit_is_a_whole_number_of_32_bits(vlm: Any, timeout: Any) -> None:
    with vlm.generate("Hi", []) as completion, pytest.raises(TypeError):
        completion.read(timeout)


def test_generate_all_that_times_out_aborts(vlm: Any, chip: Any) -> None:
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.2, "token": 0.05})
    with pytest.raises(chip.wrapper.HailoRTTimeout):
        vlm.generate_all(CHAT.format("Tell me about trains"), [], timeout_ms=300)
    assert chip.journal("release")[-1]["status"] == "ABORTED"
    chip.set(time_scale=0.0)
    assert vlm.generate_all("Hi", [])


def test_the_chip_runs_on_when_nobody_reads(vlm: Any, chip: Any) -> None:
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.05, "token": 0.01})
    with vlm.generate(CHAT.format("Tell me about trains"), []) as completion:
        time.sleep(1.0)
        begun = time.monotonic()
        pieces = list(completion)
        assert time.monotonic() - begun < 0.15
        assert len(pieces) > 20


def test_release_while_decoding_waits_for_one_to_three_tokens(vlm: Any, chip: Any) -> None:
    """The running one, the one after it, and now and then the reader is faster once more."""
    token = 0.1
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.05, "token": token})
    further = set()
    for _ in range(14):
        vlm.clear_context()
        completion = vlm.generate(CHAT.format("Tell me about trains"), [])
        completion.read()
        native = completion._completion
        native.catch_up()
        running, begun = native._produced, time.monotonic()
        completion.release()
        entry = chip.journal("release")[-1]
        assert (entry["status"], entry["pieces"]) == ("ABORTED", 1)
        # Without the recovery token, which costs nothing.
        further.add(entry["produced"] - running - 1)
        assert time.monotonic() - begun >= token
    assert further >= {1, 2}


@pytest.mark.parametrize(("setting", "chunk"), [("prefill", 0.1), ("chunk", 0.5)])
def test_release_during_a_long_prefill_waits_for_all_of_it(
    vlm: Any, chip: Any, setting: str, chunk: float
) -> None:
    """By a setting for the running chunk only."""
    assert chip.module("_emulator.settings").settings().timing.abort_waits_for == "prefill"
    chip.set(time_scale=1.0, timing={"prefill_chunk": chunk, "token": 0.02, "abort_waits_for": setting})
    begun = time.monotonic()
    completion = vlm.generate(CHAT.format("word " * 1000), [])
    completion.release()
    assert chip.journal("prefill")[-1]["chunks"] == 11
    assert time.monotonic() - begun >= (11 if setting == "prefill" else 1) * chunk
    if setting == "chunk":
        assert chip.journal("release")[-1]["seconds"] < 10 * chunk


def test_release_of_a_finished_generation_is_immediate(vlm: Any, chip: Any) -> None:
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.05, "token": 0.1})
    completion = vlm.generate(CHAT.format("Tell me about trains"), [], max_generated_tokens=2)
    completion.read_all()
    begun = time.monotonic()
    completion.release()
    assert time.monotonic() - begun < 0.05


def test_dropping_a_completion_aborts_it(vlm: Any, chip: Any) -> None:
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.02, "token": 0.02})
    completion = vlm.generate(CHAT.format("Tell me about trains"), [])
    del completion
    assert chip.journal("release")[-1]["status"] == "ABORTED"
    assert vlm.generate_all("Hi", [])


def test_the_next_generation_is_not_affected_by_an_abort(vlm: Any) -> None:
    natural, _ = pieces_of(vlm, "Tell me about trains")
    vlm.clear_context()
    with vlm.generate(CHAT.format("Something else"), []) as completion:
        completion.read()
    assert pieces_of(vlm, "Tell me about trains")[0] == natural


def test_the_queue_holds_1024_pieces(vlm: Any, chip: Any) -> None:
    """Beyond that the chip waits for the reader; nothing is lost."""
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.01, "token": 0.0002})
    vlm.set_stop_tokens(["never said"])
    vlm.clear_context()
    with vlm.generate(CHAT.format("Tell me about trains"), [], max_generated_tokens=1500) as completion:
        time.sleep(1.0)
        assert vlm.get_context_usage_size() < 1100
        assert len(list(completion)) == 1501


def test_two_completions_are_undefined(vlm: Any, chip: Any) -> None:
    with vlm.generate("Hi", []), pytest.raises(chip.platform.EmulatorAssertion):
        vlm.generate("Hi", [])
    assert chip.counters()["assertions"] == 1
    assert "another completion" in chip.journal("assertion")[0]["what"]


def test_clear_context_during_a_generation_is_undefined(vlm: Any, chip: Any) -> None:
    with vlm.generate("Hi", []), pytest.raises(chip.platform.EmulatorAssertion):
        vlm.clear_context()
    assert not issubclass(chip.platform.EmulatorAssertion, Exception)


def test_small_requests_wait_for_the_running_token(vlm: Any, chip: Any) -> None:
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.3, "token": 0.01})
    with vlm.generate(CHAT.format("Hi"), []):
        begun = time.monotonic()
        assert vlm.tokenize("Hi")
        assert time.monotonic() - begun >= 0.2


def test_the_stray_tail(vlm: Any, chip: Any) -> None:
    natural, _ = pieces_of(vlm, "Tell me about trains")
    chip.set(faults={"stray_tail": True})
    pieces, _ = pieces_of(vlm, "Tell me about trains")
    assert "".join(pieces).startswith("".join(natural[:-1]))
    assert ". [{'type'" in "".join(pieces)
