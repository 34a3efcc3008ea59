"""Loading a model: the statuses of the unwrapped constructor (hailo.md 1.7, 10.2)."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest


def failed(chip: Any, path: str, **options: Any) -> str:
    """Load, expect the native exception, and return its text."""
    native = chip.module("pyhailort._pyhailort").HailoRTStatusException
    device = chip.open_device()
    with pytest.raises(native) as error:
        chip.module("genai").VLM(device, path, **options)
    return str(error.value)


def test_paths_without_a_file(version: str, chip: Any) -> None:
    found = [failed(chip, path) for path in (str(chip.folder / "none.hef"), str(chip.folder), "")]
    assert found == ["13", "14", "6"]


HEADER_BYTES, HEADER_AND_DESCRIPTION = 56, 56 + 4096
BAD_FILES = {
    "empty": (lambda hef: b"", "14", "14"),
    "shorter than its header": (lambda hef: hef[: HEADER_BYTES - 1], "14", "14"),
    "a web page": (lambda hef: b"<!DOCTYPE html><html><body>Not found</body></html>" * 200, "92", "14"),
    "noise": (lambda hef: hef[HEADER_AND_DESCRIPTION:], "92", "14"),
    "zeros": (lambda hef: bytes(len(hef)), "92", "92"),
    "format version 2": (lambda hef: hef[:7] + b"\2" + hef[8:], "92", "92"),
    "a damaged description": (lambda hef: hef[:90] + b"\xff" + hef[91:], "91", "91"),
    "another magic": (lambda hef: b"\1HEX" + hef[4:], "92", "92"),
    "cut in its description": (lambda hef: hef[:4000], "91", "14"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files(version: str, chip: Any, kind: str) -> None:
    content, before, since = BAD_FILES[kind]
    path = chip.folder / "bad.hef"
    path.write_bytes(content(Path(chip.hef).read_bytes()))
    assert failed(chip, str(path)) == (before if version == "5.1.1" else since)


def test_only_5_2_0_notices_a_cut_file(version: str, chip: Any, user: Any) -> None:
    """5.1.1 sends what there is, and the chip computes with what lies behind its end."""
    whole = chip.load().generate_all([user("Tell me about trains")], [])
    Path(chip.hef).write_bytes(Path(chip.hef).read_bytes()[:-1])
    if version == "5.2.0":
        chip.close()
        assert failed(chip, chip.hef) == "14"
    else:
        assert chip.load().generate_all([user("Tell me about trains")], []) != whole
        assert chip.journal("damaged")


@pytest.mark.parametrize(
    ("options", "code"),
    [({"arch": "HAILO8"}, "93"), ({"genai": False}, "8"), ({"sdk_version": "5.2.0"}, "6")],
)
def test_a_hef_that_does_not_fit(chip: Any, options: dict[str, Any], code: str) -> None:
    assert failed(chip, chip.make_hef("other.hef", **options)) == code


def test_an_older_hef_on_a_newer_runtime_loads(chip: Any) -> None:
    chip.set(version="5.2.0")
    chip.load(chip.make_hef("old.hef", sdk_version="5.1.1"))


def test_optimize_memory_on_device_is_7(chip: Any) -> None:
    assert failed(chip, chip.hef, optimize_memory_on_device=True) == "7"


def test_the_native_exception_is_a_hailort_exception_only_from_5_2_0(version: str, chip: Any) -> None:
    native = chip.module("pyhailort._pyhailort").HailoRTStatusException
    assert issubclass(native, chip.platform.HailoRTException) is (version == "5.2.0")


def test_too_many_loads_since_boot_are_81_until_a_reboot(chip: Any) -> None:
    chip.set(loads_until_cma_is_gone=2)
    for _ in range(2):
        chip.load().release()
    assert failed(chip, chip.hef) == "81"
    assert chip.run("\ntry: load()\nexcept Exception as e: print(e)") == "81"
    chip.module("_emulator.shared").power_cycle()
    chip.load()


def test_one_language_model_on_the_chip_from_5_2_0(version: str, chip: Any) -> None:
    device = chip.open_device()
    first = chip.load(device=device)
    if version == "5.2.0":
        assert failed(chip, chip.hef) == "62"
        assert chip.run("print(told(load))") == "62"
        first.release()
    assert chip.run("load(); print('loaded')") == "loaded"


def test_two_models_at_once_on_5_1_1(chip: Any, user: Any) -> None:
    device = chip.open_device()
    first, second = chip.load(device=device), chip.load(device=device)
    answers = {model.generate_all([user("Tell me about trains")], []) for model in (first, second)}
    assert len(answers) == 1
    first.generate_all([user("And?")], [])
    assert first.get_context_usage_size() > second.get_context_usage_size()


def test_a_stopped_holder_keeps_the_model(chip: Any) -> None:
    chip.set(version="5.2.0")
    holder = chip.start("m = load(); print('loaded', flush=True); sys.stdin.readline()")
    assert holder.stdout.readline() == "loaded\n"
    holder.send_signal(signal.SIGSTOP)
    assert failed(chip, chip.hef) == "62"
    holder.kill()
    holder.communicate(timeout=30)
    chip.load()


def test_a_killed_holders_request_runs_on(chip: Any) -> None:
    """Until the prefill that it had begun is done nobody else gets the model."""
    chip.set(version="5.2.0", time_scale=1.0, timing={"load": 0.0, "prefill_chunk": 6.0})
    chip.module("genai")  # what it takes to import it must not be taken from the prefill's time
    holder = chip.start("m = load(); c = m.generate(CHAT, []); print('begun', flush=True); time.sleep(60)")
    assert holder.stdout.readline() == "begun\n"
    begun = chip.journal("generate")[0]["t"]
    holder.kill()
    holder.communicate(timeout=30)
    assert failed(chip, chip.hef) == "62"
    while chip.run("print(told(load))") == "62":
        assert time.monotonic() < begun + 30
    assert chip.run("print(told(load))") == "fine"
    assert time.monotonic() - begun >= 6.0


def test_a_failed_load_leaves_nothing_behind(chip: Any) -> None:
    chip.set(version="5.2.0", faults={"load_status": 71})
    assert failed(chip, chip.hef) == "71"
    chip.set()
    chip.load()


def test_the_class_has_no_release_on_collection_but_the_native_object_has(chip: Any) -> None:
    chip.set(version="5.2.0")
    model = chip.module("genai").VLM(chip.open_device(), chip.hef)
    assert not hasattr(type(model), "__del__")
    del model
    chip.load()


def test_everything_after_release_is_an_attribute_error(vlm: Any) -> None:
    vlm.release()
    vlm.release()
    for call in (
        vlm.clear_context,
        vlm.get_context_usage_size,
        vlm.max_context_capacity,
        vlm.prompt_template,
        vlm.get_stop_tokens,
        vlm.save_context,
        vlm.input_frame_shape,
        vlm.input_frame_size,
        vlm.input_frame_format_type,
        vlm.input_frame_format_order,
        lambda: vlm.tokenize("a"),
        lambda: vlm.generate("a", []),
    ):
        with pytest.raises(AttributeError):
            call()


def test_the_frame_is_336_by_336_rgb(vlm: Any, chip: Any) -> None:
    assert vlm.input_frame_shape() == [336, 336, 3]
    assert vlm.input_frame_size() == 338688
    assert vlm.input_frame_format_type() == "uint8"
    assert vlm.input_frame_format_order() is chip.platform.FormatOrder.NHWC


def test_a_load_takes_its_time(chip: Any) -> None:
    device = chip.open_device()
    chip.set(time_scale=1.0, timing={"load": 0.4}, faults={"load_extra_s": 0.2})
    begun = time.monotonic()
    chip.load(device=device)
    assert 0.6 <= time.monotonic() - begun < 9.7  # what it takes by default


@pytest.mark.parametrize(("fault", "ended"), [("load_hang", None), ("crash_in_load", -9)])
def test_a_load_that_hangs_or_dies(chip: Any, fault: str, ended: int | None) -> None:
    chip.set(faults={fault: True})
    process = chip.start("print('begin', flush=True); load()")
    assert process.stdout.readline() == "begin\n"
    if ended:
        assert process.wait(30) == ended
    else:
        chip.until_waiting_in(process, "futex")
    process.kill()
    process.communicate(timeout=30)


def test_the_maker_of_stand_ins(chip: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = chip.folder / "made" / "Qwen2-VL-2B-Instruct.hef"
    chip.module("_emulator.hef").main(["make", str(path), "--sdk-version", "5.1.1", "--size", "300000"])
    data = path.read_bytes()
    assert len(data) == 300000
    assert data[:4] == bytes.fromhex("01484546")
    assert b"sdk-version: 5.1.1" in data[:200_000]
    assert "300000 bytes" in capsys.readouterr().out
    chip.load(str(path))
