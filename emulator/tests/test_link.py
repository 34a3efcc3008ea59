"""Links that are lost and servers that die (hailort-truth.md 3.2, 3.9, 3.12)."""

import signal
import subprocess
import time
from typing import Any

import pytest

SLOW = {"load": 0.0, "prefill_chunk": 0.05, "token": 0.2}


def ended(process: Any) -> tuple[list[str], int]:
    """What a process printed, and how it ended."""
    out, _ = process.communicate(timeout=60)
    return out.split(), process.returncode


def test_a_reader_with_nothing_left_to_read_is_told_6_and_its_release_aborts(version: str, chip: Any) -> None:
    chip.set(faults={"link_lost_after_tokens": 3})
    process = chip.start("""
        model = load()
        completion = model.generate(CHAT, [])
        pieces = [completion.read() for _ in range(3)]
        print(told(completion.read), told(completion.read), completion.generation_status.name)
        calls = (model.clear_context, lambda: model.tokenize('a'), lambda: model.generate('Hi', []))
        print(*map(told, calls), flush=True)
        completion.release()
    """)
    invalid, closed = ["HailoRTInvalidOperationException"] * 2, ["HailoCommunicationClosedException"] * 3
    assert ended(process) == ([*invalid, "GENERATING", *closed], -signal.SIGABRT)


def test_pieces_that_wait_are_delivered_and_then_there_is_silence(version: str, chip: Any) -> None:
    chip.set(
        faults={"link_lost_after_tokens": 3},
        time_scale=1.0,
        timing={"load": 0.0, "prefill_chunk": 0.01, "token": 0.01},
    )
    process = chip.start("""
        model = load()
        completion = model.generate(CHAT, [])
        while time.monotonic() < completion._completion._begun + 0.1: pass
        pieces = [completion.read() for _ in range(3)]
        for _ in range(3):
            print(told(lambda: completion.read(timeout_ms=50)), completion.generation_status.name)
        sys.stdout.flush()
        os._exit(0)
    """)
    assert ended(process) == (["HailoRTTimeout", "GENERATING"] * 3, 0)


def test_after_a_loss_in_idle_everything_can_be_released(chip: Any) -> None:
    process = chip.start(
        """
        from hailo_platform._emulator import server
        held = device()
        model = VLM(held, sys.argv[1])
        server.lose_link()
        print(told(model.clear_context), told(model.release), told(held.release))
    """.replace("sys.argv[1]", repr(chip.hef))
    )
    assert ended(process) == (["HailoCommunicationClosedException", "fine", "fine"], 0)


def test_a_lost_chip_is_36_for_everybody_until_a_power_cycle(chip: Any) -> None:
    chip.set(faults={"link_lost_after_tokens": 0})
    process = chip.start(
        "model = load(); c = model.generate(CHAT, []); print(told(c.read), flush=True); os._exit(0)"
    )
    assert ended(process)[0] == ["HailoRTInvalidOperationException"]
    chip.set()
    with pytest.raises(chip.wrapper.HailoRTDriverOperationFailedException):
        chip.open_device()
    chip.module("_emulator.shared").power_cycle()
    assert chip.load().generate_all("Hi", [])


def test_the_server_is_away_for_a_moment_after_a_loss_that_recovers(vlm: Any, chip: Any) -> None:
    """Who was connected is cut off, and who comes too early is refused."""
    chip.set(faults={"link_recovers": True}, time_scale=1.0, timing={"server_restart": 60.0})
    chip.module("_emulator.server").lose_link()
    with pytest.raises(chip.platform.HailoCommunicationClosedException):
        vlm.clear_context()
    with pytest.raises(chip.platform.HailoRTException, match=r"89 \(HAILO_CONNECTION_REFUSED\)"):
        chip.open_device()
    chip.set(time_scale=0.0)
    chip.module("_emulator.server").restart()
    with pytest.raises(chip.platform.HailoCommunicationClosedException):
        vlm.clear_context()
    chip.load(device=chip.open_device("UNIQUE"))


def test_a_device_opened_before_the_loss_takes_no_model(chip: Any) -> None:
    device = chip.open_device()
    chip.module("_emulator.server").restart()
    with pytest.raises(chip.module("pyhailort._pyhailort").HailoRTStatusException, match=r"^62$"):
        chip.load(device=device)


def test_another_process_s_server_death_ends_a_generation(chip: Any) -> None:
    chip.set(time_scale=1.0, timing=SLOW)
    process = chip.start("""
        model = load()
        completion = model.generate(CHAT, [])
        completion.read()
        print('reading', flush=True)
        for _ in range(100):
            outcome = told(completion.read)
            if outcome != 'fine': break
        print(outcome, told(model.clear_context), flush=True)
        os._exit(0)
    """)
    assert process.stdout.readline() == "reading\n"
    chip.module("_emulator.server").restart()
    assert ended(process)[0] == ["HailoRTInvalidOperationException", "HailoCommunicationClosedException"]


ORPHANS = {
    "release": "completion = model.generate(CHAT, []); model.release()",
    "collector": "completion = model.generate(CHAT, []); del model",
    "left interpreter": "completion = model.generate(CHAT, [])",
}


@pytest.mark.parametrize("how", ORPHANS)
def test_a_model_that_goes_before_its_completion_takes_server_and_client_along(
    version: str, chip: Any, how: str
) -> None:
    chip.set(time_scale=1.0, timing={**SLOW, "server_restart": 60.0})
    witness = chip.start(
        """
        held = device()
        print('open', flush=True)
        sys.stdin.readline()
        print(told(lambda: VLM(held, sys.argv[1])), told(device))
    """.replace("sys.argv[1]", repr(chip.hef))
    )
    assert witness.stdout.readline() == "open\n"
    assert ended(chip.start(f"model = load(); {ORPHANS[how]}")) == ([], -signal.SIGABRT)
    assert chip.journal("server_died")
    out, _ = witness.communicate("go\n", timeout=60)
    assert out.split() == ["89", "89"]


def test_the_client_of_a_dead_server_may_hang_with_the_gil(chip: Any) -> None:
    chip.set(time_scale=1.0, timing=SLOW, faults={"orphan_hangs": True})
    process = chip.start("""
        signal.signal(signal.SIGTERM, lambda *_: print('handled', flush=True))
        model = load()
        completion = model.generate(CHAT, [])
        print('begun', flush=True)
        model.release()
    """)
    assert process.stdout.readline() == "begun\n"
    chip.until_waiting_in(process, "futex")
    process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.kill()
    assert "handled" not in process.communicate(timeout=30)[0]


def test_os_exit_is_clean_and_the_model_is_free_when_the_request_is_done(chip: Any) -> None:
    chip.set(version="5.2.0", time_scale=1.0, timing={"load": 0.0, "prefill_chunk": 0.05, "token": 0.05})
    process = chip.start("model = load(); c = model.generate(CHAT, []); c.read(); os._exit(0)")
    assert ended(process) == ([], 0)
    assert not chip.journal("server_died")
    deadline = time.monotonic() + 30
    while chip.run("print(told(load))") == "62" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert chip.run("print(told(load))") == "fine"


def test_a_completion_that_is_done_or_released_harms_nobody(chip: Any) -> None:
    process = chip.start("""
        model = load()
        with model.generate(CHAT, []) as completion:
            completion.read()
        unread = model.generate('Hi', [], max_generated_tokens=1)
        unread.read_all()
        model.release()
    """)
    assert ended(process) == ([], 0)
