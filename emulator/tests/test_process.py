"""What the library does to its process: signals, forks, logs, memory (hailort-truth.md 3.10 to 3.14)."""

import signal
import subprocess
import sys
from typing import Any

import pytest

SLOW = {"load": 0.0, "prefill_chunk": 1.0, "token": 0.05}
READING = """
    model = load()
    completion = model.generate(CHAT, [])
    print('reading', flush=True)
    try: completion.read()
    except BaseException as e: print(type(e).__name__, e, flush=True)
    print(len(completion.read()) > 0, flush=True)
    completion.release()
"""


def start_reading(chip: Any, prelude: str) -> Any:
    """A process in its first read, which waits for the prefill."""
    process = chip.start(prelude + READING.replace("\n    ", "\n"))
    assert process.stdout.readline() == "reading\n"
    chip.until_waiting_in(process, "poll")
    return process


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (
            "signal.signal(signal.SIGTERM, lambda *_: None)",
            "HailoRTException libhailort failed with error: 8",
        ),
        ("signal.signal(signal.SIGTERM, signal.default_int_handler)", "KeyboardInterrupt"),
    ],
)
def test_a_handled_signal_breaks_a_waiting_read_and_the_next_one_works(
    chip: Any, handler: str, told: str
) -> None:
    chip.set(time_scale=1.0, timing=SLOW)
    process = start_reading(chip, handler)
    process.terminate()
    out, _ = process.communicate(timeout=30)
    broken, read = out.splitlines()
    assert broken.startswith(told)
    assert read == "True"


def test_an_ignored_signal_does_no_harm(chip: Any) -> None:
    chip.set(time_scale=1.0, timing=SLOW)
    process = start_reading(chip, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    process.terminate()
    assert process.communicate(timeout=30)[0] == "True\n"


@pytest.mark.parametrize(("leaving", "ended"), [("sys.exit()", -signal.SIGABRT), ("os._exit(0)", 0)])
def test_a_forked_child_that_ends_kills_its_parent(chip: Any, leaving: str, ended: int) -> None:
    process = chip.start(f"""
        held = device()
        child = os.fork()
        if child == 0: {leaving}
        os.waitpid(child, 0)
        print('survived', flush=True)
    """)
    process.communicate(timeout=30)
    assert process.returncode == ended


def test_other_programs_may_be_started(chip: Any) -> None:
    code = "import subprocess; held = device(); subprocess.run(['true'], check=True); print('fine')"
    assert chip.run(code) == "fine"


def imported(chip: Any, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Import the package in a process with these variables instead of the test's, and log an error."""
    kept = {
        key: value for key, value in chip.environment().items() if key not in ("HAILORT_LOGGER_PATH", "HOME")
    }
    code = "import hailo_platform; from hailo_platform._emulator import log; log.write('error', 'it broke')"
    return subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_two_logs_are_opened_on_import(chip: Any) -> None:
    home, place = chip.folder / "home", chip.folder / "logs"
    done = imported(chip, HOME=str(home), HAILORT_LOGGER_PATH=str(place))
    for log in (home / ".hailo" / "hailort" / "hailort.log", place / "hailort.log"):
        assert "[HailoRT]" in log.read_text()
        assert "it broke" in log.read_text()
    assert done.stderr == "[HailoRT] [error] it broke\n"


def test_the_local_log_stands_in_the_current_folder_by_default(chip: Any) -> None:
    imported(chip, HOME=str(chip.folder))
    assert "it broke" in (chip.folder / "hailort.log").read_text()


def test_none_switches_both_logs_off(chip: Any) -> None:
    home = chip.folder / "home"
    done = imported(chip, HOME=str(home), HAILORT_LOGGER_PATH="NONE")
    assert not home.exists()
    assert done.stderr == "[HailoRT] [error] it broke\n"


def test_a_log_keeps_1_mb_and_one_spare(chip: Any) -> None:
    place = chip.folder / "logs"
    place.mkdir()
    (place / "hailort.log").write_text("x" * (1 << 20))
    imported(chip, HOME=str(chip.folder), HAILORT_LOGGER_PATH=str(place))
    assert (place / "hailort.1.log").stat().st_size == 1 << 20
    assert "it broke" in (place / "hailort.log").read_text()


def test_a_log_folder_that_can_t_be_made_is_only_told(chip: Any) -> None:
    (chip.folder / "file").touch()
    done = imported(chip, HOME=str(chip.folder), HAILORT_LOGGER_PATH=str(chip.folder / "file" / "logs"))
    assert done.returncode == 0
    assert "Cannot create log file hailort.log!" in done.stderr


def test_a_log_that_can_t_be_made_in_a_usable_folder_ends_the_process(chip: Any) -> None:
    place = chip.folder / "logs"
    (place / "hailort.log").mkdir(parents=True)
    done = imported(chip, HOME=str(chip.folder), HAILORT_LOGGER_PATH=str(place))
    assert done.returncode == -signal.SIGABRT
    assert "spdlog_ex" in done.stderr


def test_a_load_takes_two_buffers_of_64_mib(chip: Any) -> None:
    chip.set(tokens="stand-in")
    code = """
        def peak(): return int([l for l in open('/proc/self/status') if l.startswith('VmHWM')][0].split()[1])
        def now(): return int([l for l in open('/proc/self/status') if l.startswith('VmRSS')][0].split()[1])
        held = device()
        before = peak()
        model = VLM(held, sys.argv[1])
        print((peak() - before) // 1024, (now() - before) // 1024)
    """
    grown, kept = map(int, chip.run(code.replace("sys.argv[1]", repr(chip.hef))).split())
    assert 120 <= grown < 160
    assert kept < 30


def test_storage_below_18_mb_a_second_is_too_slow_whatever_the_caller_waits(chip: Any) -> None:
    chip.set(faults={"storage_mb_s": 17.0})
    native = chip.module("pyhailort._pyhailort").HailoRTStatusException
    with pytest.raises(native, match=r"^4$"):
        chip.load()
    chip.set(faults={"storage_mb_s": 19.0})
    chip.load()
