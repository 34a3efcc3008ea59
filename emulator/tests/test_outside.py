"""What stands around the package: command line, settings, journal, import (hailo.md 7.3, 10.5)."""

import inspect
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

CLI = Path(__file__).resolve().parent.parent / "bin" / "hailortcli"


def hailortcli(chip: Any, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command without help from PYTHONPATH, as from a checkout."""
    environment = {key: value for key, value in chip.environment().items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, str(CLI), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_identify(chip: Any) -> None:
    done = hailortcli(chip, "fw-control", "identify")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "Executing on device: 0001:01:00.0",
        "Identifying board",
        "Control Protocol Version: 2",
        "Firmware Version: 5.1.1 (release,app)",
        "Logger Version: 0",
        "Device Architecture: HAILO10H",
    ]


def test_identify_shows_a_firmware_of_another_version(chip: Any) -> None:
    chip.set(faults={"firmware_version": "5.0.1"})
    assert "Firmware Version: 5.0.1 (release,app)" in hailortcli(chip, "fw-control", "identify").stdout


def test_identify_without_a_device(chip: Any) -> None:
    chip.device.unlink()
    done = hailortcli(chip, "fw-control", "identify")
    assert done.returncode == 1
    assert "HAILO_OUT_OF_PHYSICAL_DEVICES(74)" in done.stderr


def test_scan(chip: Any) -> None:
    assert hailortcli(chip, "scan").stdout == "Hailo Devices:\n[-] Device: 0001:01:00.0\n"
    chip.device.unlink()
    assert hailortcli(chip, "scan").stdout == "Hailo devices not found\n"


def test_the_chips_own_log(vlm: Any, chip: Any) -> None:
    chip.module("_emulator.server").restart()
    log = hailortcli(chip, "logs", "runtime").stdout
    assert "[runtime] hailort_server started, incarnation 1" in log
    assert "loaded since boot: 1" in log
    assert hailortcli(chip, "logs", "nothing").returncode == 2


def test_the_commands_version(chip: Any) -> None:
    chip.set(version="5.2.0")
    assert hailortcli(chip, "--version").stdout == "HailoRT-CLI version 5.2.0\n"


def test_an_unknown_command(chip: Any) -> None:
    assert hailortcli(chip, "benchmark").returncode == 2


def test_the_package_says_its_version_and_that_it_is_emulated(chip: Any) -> None:
    assert chip.platform.__version__ == "5.1.1"
    assert chip.platform.EMULATED is True


def test_names_that_programs_import(chip: Any) -> None:
    genai, native = chip.module("genai"), chip.module("pyhailort._pyhailort")
    wrapper = chip.module("pyhailort.pyhailort")
    assert genai.VDevice is wrapper.VDevice is chip.platform.VDevice
    assert genai.VLM.__name__ == "VLM"
    assert set(dir(chip.platform)) >= {
        "HailoRTException",
        "HailoRTStreamAbortedByUser",
        "FormatOrder",
        "Device",
    }
    assert not hasattr(chip.platform, "HailoRTTimeout"), "the real package exports three exceptions only"
    names = {status.name for status in native.LLMGeneratorCompletionStatus}
    assert names == {"GENERATING", "LOGICAL_END_OF_GENERATION", "MAX_TOKENS_REACHED", "ABORTED"}


def test_the_import_is_light_and_takes_nothing_of_the_service(chip: Any) -> None:
    loaded = chip.run("print(sorted({name.split('.')[0] for name in sys.modules}))")
    assert not {"torch", "transformers", "jinja2", "hailo_vision", "PIL"} & set(
        json.loads(loaded.replace("'", '"'))
    )


def bad_settings(chip: Any, text: str) -> str:
    chip.settings_file.write_text(text)
    with pytest.raises(ValueError, match=r"settings\.toml") as error:
        assert chip.platform
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("verson = '5.1.1'", "verson: unknown key"),
        ("[faults]\nlod_status = 3", "faults.lod_status: unknown key"),
        ("[timing]\ntoken = 'slow'", "timing.token: expected float"),
        ("version = '4.2.0'", "known: 5.1.0, 5.1.1, 5.2.0, 5.3.0"),
        ("faults = 3", "faults: expected a table"),
        ("[faults.times]\nnothing = 1", "faults.times.nothing"),
        ("[timing]\nabort_waits_for = 'word'", "timing.abort_waits_for"),
        ("hold_gil = 1", "hold_gil: expected bool"),
        ("tokens = 'mine'", "tokens: expected 'auto' or 'stand-in'"),
        ("version =", "Invalid"),
    ],
)
def test_a_bad_settings_file_names_the_key(chip: Any, text: str, named: str) -> None:
    assert named in bad_settings(chip, text)


def test_a_named_file_must_exist(chip: Any) -> None:
    chip.settings_file.unlink()
    with pytest.raises(ValueError, match="No such file"):
        assert chip.platform


def test_a_file_that_becomes_bad_keeps_the_former_settings(
    chip: Any, capsys: pytest.CaptureFixture[str], vlm: Any
) -> None:
    chip.settings_file.write_text("time_scale = 'fast'")
    assert vlm.generate_all("Hi", [])
    assert capsys.readouterr().err.count("keeping the former settings") == 1


def test_environment_variables_override_the_file(chip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAILO_EMULATOR_VERSION", "5.2.0")
    monkeypatch.setenv("HAILO_EMULATOR_DEVICE", str(chip.folder / "h1x-0"))
    assert chip.platform.__version__ == "5.2.0"
    with pytest.raises(chip.platform.HailoRTException, match="74"):
        chip.open_device()
    (chip.folder / "h1x-0").touch()
    chip.open_device()


def test_a_bad_override_is_named(chip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAILO_EMULATOR_TIME_SCALE", "fast")
    with pytest.raises(ValueError, match="HAILO_EMULATOR_TIME_SCALE: expected float"):
        assert chip.platform


def test_the_node_and_read_all_changed_with_5_3_0(
    chip: Any,
) -> None:
    chip.settings_file.write_text("version = '5.3.0'\n")
    assert chip.module("_emulator.settings").settings().device == "/dev/h1x-0"
    chip.set(version="5.3.0")
    with chip.load().generate("Hi", []) as completion:
        with pytest.raises(TypeError):
            completion.read_all()
        assert completion.read_all(1000)


def test_settings_take_effect_while_the_program_runs(vlm: Any, chip: Any) -> None:
    chip.set(time_scale=1.0, timing={"tokenize": 0.3})
    begun = time.monotonic()
    vlm.tokenize("Hi")
    assert time.monotonic() - begun >= 0.3


def test_the_journal_tells_the_story_of_a_generation(vlm: Any, chip: Any, user: Any, pictures: Any) -> None:
    with vlm.generate([user("Hi", 1)], [pictures.photo(1)], max_generated_tokens=3, seed=7) as completion:
        list(completion)
    vlm.release()
    events = [entry["event"] for entry in chip.journal()]
    assert events == [
        "vdevice_open", "load_begin", "loaded", "generate", "prefill", "finished", "release", "unloaded",
    ]  # fmt: skip
    by_name = {entry["event"]: entry for entry in chip.journal()}
    assert by_name["generate"]["params"]["seed"] == 7
    assert len(by_name["generate"]["frames"][0]) == 64
    assert "Hi" in by_name["generate"]["prompt"]
    assert by_name["prefill"]["cells"] == by_name["prefill"]["usage"]
    assert by_name["finished"]["status"] == "MAX_TOKENS_REACHED"
    assert by_name["release"]["pieces"] == 4
    assert not by_name["release"]["aborted"]
    times = [entry["t"] for entry in chip.journal()]
    assert times == sorted(times)


def test_starts_and_aborts_can_be_counted_in_the_journal(vlm: Any, chip: Any) -> None:
    chip.set(time_scale=1.0, timing={"prefill_chunk": 0.02, "token": 0.02})
    for _ in range(3):
        vlm.clear_context()
        with vlm.generate("Tell me about trains", []) as completion:
            completion.read()
    order = [(e["event"], e["generation"]) for e in chip.journal() if e["event"] in ("generate", "release")]
    assert order == [(event, number) for number in (1, 2, 3) for event in ("generate", "release")]
    assert all(entry["aborted"] for entry in chip.journal("release"))


def test_a_journal_that_cannot_be_written_is_reported_once(
    vlm: Any, chip: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    chip.set(journal=str(chip.folder / "none" / "journal"))
    vlm.generate_all("Hi", [])
    assert capsys.readouterr().err.count("hailo emulator: journal") == 1


def test_state_and_power_cycle_by_command(vlm: Any, chip: Any) -> None:
    def command(name: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "hailo_platform._emulator", name],
            env=chip.environment(), capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    assert command("state")["loads"] == 1
    assert command("power-cycle") == {}


SIGNATURES = {
    "VDevice.__init__": "(self, params=None, *, device_ids=None)",
    "VDevice.__exit__": "(self, *args)",
    "VDevice.configure": "(self, hef, configure_params_by_name={})",
    "VDevice.create_infer_model": "(self, hef_source, name='')",
    "VDevice.get_physical_devices": "(self)",
    "VDevice.get_physical_devices_ids": "(self)",
    "VLM.__init__": "(self, vdevice, model_path, optimize_memory_on_device=False)",
    "VLM.__exit__": "(self, *args)",
    "VLM.set_generation_recovery_sequence": "(self, sequence)",
    "VLM.load_context": "(self, context_data)",
    "LLMGeneratorCompletion.__init__": "(self, generator_completion)",
    "LLMGeneratorCompletion.__exit__": "(self, *args)",
    "LLMGeneratorCompletion.read": "(self, timeout_ms=10000)",
    "LLMGeneratorCompletion.read_all": "(self, timeout_ms=10000)",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_the_real_ones(version: str, chip: Any, name: str) -> None:
    kind, method = name.split(".")
    signature = inspect.signature(getattr(getattr(chip.wrapper, kind), method))
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == SIGNATURES[name]


@pytest.mark.parametrize(("code", "text"), [(62, "HAILO_COMMUNICATION_CLOSED"), (10_000, "")])
def test_names_of_statuses(chip: Any, code: int, text: str) -> None:
    assert chip.module("pyhailort._pyhailort").get_status_message(code) == text


def test_the_message_of_a_closed_link(chip: Any) -> None:
    error = chip.module("pyhailort.exceptions").translated(62)
    assert str(error) == "Communication closed failure. Check server-client connection"


def test_a_number_that_is_no_status(chip: Any) -> None:
    chip.set(faults={"vdevice_status": 10_000})
    with pytest.raises(Exception, match="Value 10000 is not a valid status"):
        chip.open_device()
