"""The device: presence, permission, sharing and exclusivity over processes (hailo.md 1.2, 10.1, 10.2)."""

import os
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


@pytest.mark.parametrize(("name", "value"), [("group_id", 7), ("device_count", "1"), ("device_ids", [1])])
def test_parameters_check_types(chip: Any, name: str, value: Any) -> None:
    with pytest.raises(TypeError):
        setattr(chip.platform.VDevice.create_params(), name, value)


def test_parameters_know_no_other_attributes(chip: Any) -> None:
    with pytest.raises(AttributeError):
        chip.platform.VDevice.create_params().grup_id = "SHARED"


def test_multi_process_service_is_an_invalid_operation(chip: Any) -> None:
    params = chip.platform.VDevice.create_params()
    params.multi_process_service = True
    with pytest.raises(chip.platform.HailoRTInvalidOperationException):
        chip.platform.VDevice(params)


def test_two_devices_are_more_than_there_are(chip: Any) -> None:
    params = chip.platform.VDevice.create_params()
    params.device_count = 2
    with pytest.raises(chip.platform.HailoRTException) as error:
        chip.platform.VDevice(params)
    assert status(error) == "74"


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
    assert chip.platform.VDevice.scan() == []


def test_a_node_that_may_not_be_opened_is_a_failed_driver_operation(chip: Any) -> None:
    """Nothing is forbidden to root, which therefore gives up its rights for a moment."""
    chip.device.chmod(0)
    chip.folder.chmod(0o777)
    for parent in list(chip.folder.parents)[:-1]:
        if parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    expected = chip.platform.HailoRTDriverOperationFailedException
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


def test_a_contender_waits_before_it_fails(chip: Any) -> None:
    chip.open_device("UNIQUE")
    chip.set(timing={"contention_wait": 0.3}, time_scale=1.0)
    begun = time.monotonic()
    with pytest.raises(chip.platform.HailoRTException):
        chip.open_device("UNIQUE")
    assert 0.3 <= time.monotonic() - begun < 1.0


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
    with pytest.raises(getattr(chip.platform, kind), match=code):
        chip.open_device()


def test_a_lost_chip_stays_lost_over_processes_until_a_power_cycle(chip: Any) -> None:
    chip.module("_emulator.shared").update_state(lambda state: state.update(lost=True))
    code = "\ntry: device()\nexcept HailoRTException as e: print(type(e).__name__)\nelse: print('fine')"
    assert chip.run(code) == "HailoRTDriverOperationFailedException"
    chip.module("_emulator.shared").power_cycle()
    assert chip.run(code) == "fine"
