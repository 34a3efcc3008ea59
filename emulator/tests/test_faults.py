"""Faults injected while a program runs: decoder, hangs, deaths (hailo.md 1.7, 10.2)."""

import signal
import subprocess
import time
from typing import Any

import pytest

CHAT = "<|im_start|>user\nTell me about trains<|im_end|>\n<|im_start|>assistant\n"
FAST = {"token": 0.02, "prefill_chunk": 0.02}


def read_until_error(completion: Any, kind: type[BaseException]) -> list[str]:
    """The pieces that came before the error."""
    pieces: list[str] = []

    def read_all() -> None:
        while True:
            pieces.append(completion.read(timeout_ms=500))

    with pytest.raises(kind):
        read_all()
    return pieces


def test_a_failed_decoder_says_6_to_a_waiting_reader(vlm: Any, chip: Any) -> None:
    chip.set(faults={"decode_fails_after_tokens": 4}, time_scale=1.0, timing=FAST)
    with vlm.generate(CHAT, []) as completion:
        assert len(read_until_error(completion, chip.wrapper.HailoRTInvalidOperationException)) == 4
        assert completion.generation_status.name == "GENERATING"


def test_a_failed_decoder_says_nothing_to_a_late_reader(vlm: Any, chip: Any) -> None:
    """Tokens that waited are delivered, then reads only time out."""
    chip.set(faults={"decode_fails_after_tokens": 4}, time_scale=1.0, timing=FAST)
    with vlm.generate(CHAT, []) as completion:
        time.sleep(0.3)
        assert len(read_until_error(completion, chip.wrapper.HailoRTTimeout)) == 4


def test_a_stalled_chip_only_times_out(vlm: Any, chip: Any) -> None:
    chip.set(faults={"stall_after_tokens": 2})
    process = chip.start(f"""
        model = load()
        completion = model.generate({CHAT!r}, [])
        completion.read(), completion.read()
        for _ in range(2):
            try: completion.read(timeout_ms=100)
            except HailoRTException as e: print(type(e).__name__, flush=True)
        completion.release()
    """)
    assert [process.stdout.readline() for _ in range(2)] == ["HailoRTTimeout\n"] * 2
    time.sleep(0.5)
    assert process.poll() is None, "releasing waits for a token that never comes"
    process.kill()
    process.communicate(timeout=30)


@pytest.mark.parametrize(
    "fault", [{"read_hang_after_tokens": 2}, {"generate_hang": True}, {"model_release_hang": True}]
)
def test_a_call_that_never_returns_stops_signal_handlers_too(chip: Any, fault: dict[str, Any]) -> None:
    chip.set(faults=fault)
    process = chip.start(f"""
        import signal
        signal.signal(signal.SIGTERM, lambda *args: print('handled', flush=True))
        model = load()
        print('loaded', flush=True)
        with model.generate({CHAT!r}, []) as completion:
            for piece in completion: pass
        model.release()
    """)
    assert process.stdout.readline() == "loaded\n"
    chip.until_waiting_in(process, "futex")
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.7)
    process.kill()
    assert "handled" not in process.communicate(timeout=30)[0]


def test_a_process_killed_by_its_library_during_a_generation(chip: Any) -> None:
    chip.set(faults={"crash_after_tokens": 3})
    process = chip.start("m = load()\nfor piece in m.generate(CHAT, []): print(repr(piece), flush=True)")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert len(out.splitlines()) == 3


def test_a_process_aborted_inside_a_release(chip: Any) -> None:
    chip.set(
        faults={"abort_in_release": True},
        time_scale=1.0,
        timing={"load": 0.0, "token": 0.1, "prefill_chunk": 0.0},
    )
    process = chip.start("m = load(); c = m.generate(CHAT, []); c.read(); c.release(); print('survived')")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGABRT
    assert out == ""
    assert chip.journal("sigabrt")[0]["pieces"] == 1


def test_faults_can_be_limited_to_some_times_over_all_processes(chip: Any) -> None:
    chip.set(faults={"load_status": 71, "times": {"load_status": 2}})
    code = "\ntry: load()\nexcept Exception as e: print(e)\nelse: print('loaded')"
    assert [chip.run(code) for _ in range(3)] == ["71", "71", "loaded"]
    time.sleep(0.01)
    chip.set(faults={"load_status": 71, "times": {"load_status": 1}})
    assert [chip.run(code) for _ in range(2)] == ["71", "loaded"], "a changed file counts anew"


def test_each_fault_that_struck_is_in_the_journal(vlm: Any, chip: Any, user: Any, pictures: Any) -> None:
    chip.set(faults={"encoder_status": 8})
    with pytest.raises(chip.platform.HailoRTException):
        vlm.generate([user("Hi", 1)], [pictures.plain(1, 2, 3)])
    assert [entry["name"] for entry in chip.journal("fault")] == ["encoder_status"]
