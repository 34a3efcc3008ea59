"""The device: presence, permission, sharing and exclusivity over processes (hailo.md 1.2, 10.1, 10.2)."""

import os
import signal
import time
from typing import Any

import pytest


def status(error: Any) -> str:
    """The number in "libhailort failed with error: 74 (...)"."""
    return str(error.value).split("error: ")[1].split()[0]


def test_parameters_have_libhailorts_defaults(chip: Any) -> None:
    params = chip.platform.VDevice.create_params()
    assert (params.device_count, params.group_id, params.multi_process_service) == (1, "UNIQUE", False)
    assert params.scheduling_algorithm.name == "ROUND_ROBIN"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group_id", 7),
        ("device_count", "1"),
        ("device_count", -1),
        ("device_ids", [1]),
        ("multi_process_service", "yes"),
        ("scheduling_algorithm", 1),
    ],
)
def test_parameters_check_types(chip: Any, name: str, value: Any) -> None:
    with pytest.raises(TypeError):
        setattr(chip.platform.VDevice.create_params(), name, value)


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("multi_process_service", 1, True),
        ("multi_process_service", 0, False),
        ("multi_process_service", None, False),
        ("device_count", True, 1),
        ("group_id", b"SHARED", "SHARED"),
    ],
)
def test_parameters_are_converted_as_pybind_does(chip: Any, name: str, value: Any, taken: Any) -> None:
    params = chip.platform.VDevice.create_params()
    setattr(params, name, value)
    assert getattr(params, name) == taken


def test_parameters_know_no_other_attributes(chip: Any) -> None:
    with pytest.raises(AttributeError):
        chip.platform.VDevice.create_params().grup_id = "SHARED"


def test_multi_process_service_is_an_invalid_operation(chip: Any) -> None:
    params = chip.platform.VDevice.create_params()
    params.multi_process_service = True
    with pytest.raises(chip.wrapper.HailoRTInvalidOperationException):
        chip.platform.VDevice(params)


def test_two_devices_are_more_than_there_are_and_none_is_invalid(chip: Any) -> None:
    params = chip.platform.VDevice.create_params()
    params.device_count = 2
    with pytest.raises(chip.platform.HailoRTException) as error:
        chip.platform.VDevice(params)
    assert status(error) == "74"
    params.device_count = 0
    with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
        chip.platform.VDevice(params)


def test_devices_by_their_ids(chip: Any) -> None:
    [address] = chip.platform.Device.scan()
    with chip.platform.VDevice(device_ids=[address]) as device:
        assert device.get_physical_devices_ids() == [address]
        assert [found.device_id for found in device.get_physical_devices()] == [address]
        with pytest.raises(chip.platform.HailoRTException) as error:
            chip.platform.VDevice(device_ids=[address])
        assert status(error) == "73"
    with pytest.raises(chip.wrapper.HailoRTInvalidArgumentException):
        chip.platform.VDevice(device_ids=["0000:00:00.0"])


def test_without_a_device_that_is_told_first(chip: Any) -> None:
    chip.device.unlink()
    params = chip.platform.VDevice.create_params()
    params.multi_process_service = True
    with pytest.raises(chip.platform.HailoRTException) as error:
        chip.platform.VDevice(params)
    assert status(error) == "74"


def test_a_model_on_a_released_device_is_a_segmentation_fault(chip: Any) -> None:
    process = chip.start(f"held = device(); held.release(); VLM(held, {chip.hef!r})")
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGSEGV


def test_an_opening_that_loses_its_wake_up_times_out_and_the_next_one_works(chip: Any) -> None:
    chip.set(
        faults={"open_loses_wakeup": True, "times": {"open_loses_wakeup": 1}},
        time_scale=1.0,
        timing={"wakeup_timeout": 0.3},
    )
    begun = time.monotonic()
    with pytest.raises(chip.wrapper.HailoRTTimeout):
        chip.open_device("UNIQUE")
    assert time.monotonic() - begun >= 0.3
    chip.open_device("UNIQUE")


def test_a_release_that_loses_its_wake_up_takes_as_long_and_is_logged(
    chip: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    device = chip.open_device()
    chip.set(faults={"release_loses_wakeup": True}, time_scale=1.0, timing={"wakeup_timeout": 0.3})
    begun = time.monotonic()
    device.release()
    assert time.monotonic() - begun >= 0.3
    assert "Failed to destroy VDevice! status = HAILO_TIMEOUT(4)" in capsys.readouterr().err


def test_without_a_scheduler_no_generative_model(chip: Any) -> None:
    params = chip.platform.VDevice.create_params()
    params.scheduling_algorithm = chip.platform.HailoSchedulingAlgorithm.NONE
    with chip.platform.VDevice(params) as device, pytest.raises(Exception, match=r"^79$"):
        chip.load(device=device)


def test_a_missing_node_is_no_device(chip: Any) -> None:
    chip.device.unlink()
    with pytest.raises(chip.platform.HailoRTException) as error:
        chip.open_device()
    assert status(error) == "74"
    assert chip.platform.Device.scan() == []


def test_a_node_that_may_not_be_opened_is_a_failed_driver_operation(chip: Any) -> None:
    """Nothing is forbidden to root, which therefore gives up its rights for a moment."""
    chip.device.chmod(0)
    chip.folder.chmod(0o777)
    for parent in list(chip.folder.parents)[:-1]:
        if parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    expected = chip.wrapper.HailoRTDriverOperationFailedException
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(expected):
            chip.platform.VDevice()
    finally:
        if root:
            os.seteuid(0)


def test_release_twice_and_context_manager(chip: Any) -> None:
    with chip.platform.VDevice() as device:
        device.release()
    device.release()


def test_the_default_group_is_alone(chip: Any) -> None:
    with chip.platform.VDevice(), pytest.raises(chip.platform.HailoRTException) as error:
        chip.platform.VDevice()
    assert status(error) == "74"
    chip.platform.VDevice().release()


def test_one_group_shares_the_chip_and_another_does_not(chip: Any) -> None:
    chip.open_device("SHARED")
    chip.open_device("SHARED")
    for other in ("OTHER", "UNIQUE"):
        with pytest.raises(chip.platform.HailoRTException) as error:
            chip.open_device(other)
        assert status(error) == "74"


@pytest.mark.parametrize(
    ("holder", "contender", "waits"),
    [("UNIQUE", "UNIQUE", True), ("SHARED", "UNIQUE", True), ("UNIQUE", "SHARED", False), ("A", "B", False)],
)
def test_only_who_wants_the_chip_alone_waits_before_it_fails(
    chip: Any, holder: str, contender: str, waits: bool
) -> None:
    wait = 0.3 if waits else 60.0
    chip.open_device(holder)
    chip.set(timing={"contention_wait": wait}, time_scale=1.0)
    begun = time.monotonic()
    with pytest.raises(chip.platform.HailoRTException) as error:
        chip.open_device(contender)
    assert status(error) == "74"
    assert (time.monotonic() - begun >= wait) is waits


def test_a_contender_gets_the_chip_when_it_becomes_free(chip: Any) -> None:
    chip.set(timing={"contention_wait": 20.0, "vdevice_open": 0.0}, time_scale=1.0)
    holder = chip.start("d = device('UNIQUE'); print('held', flush=True); sys.stdin.readline(); d.release()")
    assert holder.stdout.readline() == "held\n"
    contender = chip.start("device('UNIQUE'); print('mine')")
    time.sleep(0.5)
    holder.communicate("go\n", timeout=30)
    assert contender.communicate(timeout=30)[0] == "mine\n"


def test_another_process_is_kept_out_until_the_holder_dies(chip: Any) -> None:
    holder = chip.start("d = device('UNIQUE'); print('held', flush=True); sys.stdin.readline()")
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(chip.platform.HailoRTException) as error:
        chip.open_device()
    assert status(error) == "74"
    holder.kill()
    holder.communicate(timeout=30)
    chip.open_device()


def test_another_process_joins_the_same_group(chip: Any) -> None:
    chip.open_device("SHARED")
    assert chip.run("device('SHARED'); print('joined')") == "joined"


def test_other_users_may_use_the_shared_state(chip: Any) -> None:
    chip.open_device()
    files = [path for path in chip.folder.iterdir() if path.name.startswith("hailo-emulator-")]
    assert files
    assert all(path.stat().st_mode & 0o777 == 0o666 for path in files)


def test_a_model_keeps_the_chip_that_its_device_gave_up(chip: Any) -> None:
    device = chip.open_device("UNIQUE")
    model = chip.load(device=device)
    device.release()
    with pytest.raises(chip.platform.HailoRTException):
        chip.open_device("UNIQUE")
    model.release()
    chip.open_device("UNIQUE")


def test_classic_inference_is_not_emulated_and_refused_after_a_fork(chip: Any) -> None:
    device = chip.open_device()
    with pytest.raises(chip.platform.HailoRTException, match=r"7 \(HAILO_NOT_IMPLEMENTED"):
        device.create_infer_model("x.hef")
    device._creation_pid = -1
    with pytest.raises(chip.platform.HailoRTException, match="process"):
        device.configure(None)


@pytest.mark.parametrize("code", [76, 85, 86, 97])
def test_any_status_can_be_injected(chip: Any, code: int) -> None:
    chip.set(faults={"vdevice_status": code})
    with pytest.raises(chip.platform.HailoRTException) as error:
        chip.open_device()
    assert status(error) == str(code)
    chip.set()
    chip.open_device()


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("device_absent", "HailoRTException", "74"),
        ("device_busy", "HailoRTException", "74"),
        ("permission_denied", "HailoRTDriverOperationFailedException", "driver"),
    ],
)
def test_faults_of_the_device(chip: Any, fault: str, kind: str, code: str) -> None:
    chip.set(faults={fault: True})
    with pytest.raises(getattr(chip.wrapper, kind), match=code):
        chip.open_device()


def test_a_lost_chip_stays_lost_over_processes_until_a_power_cycle(chip: Any) -> None:
    chip.module("_emulator.shared").update_state(lambda state: state.update(lost=True))
    code = "print(told(device))"
    assert chip.run(code) == "HailoRTDriverOperationFailedException"
    chip.module("_emulator.shared").power_cycle()
    assert chip.run(code) == "fine"
