"""VDevice, the chip as a program opens it, and Device, which finds it."""

import gc
import os
from typing import Any

from hailo_platform._emulator import clock, device, faults, log
from hailo_platform._emulator.errors import HailoRTException, Status, failure
from hailo_platform._emulator.journal import record
from hailo_platform._emulator.settings import settings
from hailo_platform.pyhailort._pyhailort import VDeviceParams
from hailo_platform.pyhailort.exceptions import NativeCall

_NO_PARAMS: dict[str, Any] = {}


class Device:
    """A physical device; only its address is emulated."""

    def __init__(self, device_id: str | None = None) -> None:
        self.device_id = device_id or device.PCIE_ADDRESS

    @staticmethod
    def scan() -> list[str]:
        """The addresses of the devices that are there."""
        return device.present()


class VDevice:
    """The chip, opened.

    Processes that open it with the same `params.group_id` share it; the default "UNIQUE" shares with
    nobody. Raises HailoRTException: 74 absent or in use (73 in use if it was named by its id), 2 an unknown
    id or no device at all, 36 forbidden or lost, 89 while the chip's server starts anew, 4 a lost wake-up,
    6 for multi_process_service, 76, 85 or 86 if driver and library differ.
    """

    def __init__(self, params: VDeviceParams | None = None, *, device_ids: list[str] | None = None) -> None:
        self._claim: device.Claim | None = None
        gc.collect()
        self._params = params if params is not None else VDevice.create_params()
        self._creation_pid = os.getpid()
        self._loaded_network_groups: list[Any] = []
        if device_ids is not None:
            self._params.device_ids = device_ids
        with NativeCall():
            self._claim = self._open()
        record("vdevice_open", group=self._params.group_id)

    def _open(self) -> device.Claim:
        params = self._params
        if params.device_count == 0 or set(params.device_ids) - {device.PCIE_ADDRESS}:
            raise failure(Status.INVALID_ARGUMENT)
        if params.device_count != 1:
            raise failure(Status.OUT_OF_PHYSICAL_DEVICES)
        device.check_node()
        if params.multi_process_service:
            raise failure(Status.INVALID_OPERATION)
        claim = device.claim(params.group_id, by_id=bool(params.device_ids))
        if faults.strikes("open_loses_wakeup"):
            # The reply came before the client waited for it (client.cpp waits without a predicate).
            clock.spend(settings().timing.wakeup_timeout)
            claim.release()
            raise failure(Status.TIMEOUT)
        clock.spend(settings().timing.vdevice_open)
        return claim

    @staticmethod
    def create_params() -> VDeviceParams:
        """Parameters with their defaults."""
        return VDeviceParams.default()

    def release(self) -> None:
        """Close the device; a second call does nothing."""
        if self._claim is not None:
            if faults.strikes("release_loses_wakeup"):
                clock.spend(settings().timing.wakeup_timeout)
                log.write("error", "Failed to destroy VDevice! status = HAILO_TIMEOUT(4)")
            self._claim.release()
            self._claim = None
            record("vdevice_release")

    def get_physical_devices(self) -> list[Device]:
        """The devices behind this one."""
        return [Device(device_id) for device_id in self.get_physical_devices_ids()]

    def get_physical_devices_ids(self) -> list[str]:
        """The addresses of the devices behind this one."""
        return [device.PCIE_ADDRESS]

    @property
    def loaded_network_groups(self) -> list[Any]:
        """Always empty: only generative models run here."""
        return self._loaded_network_groups

    def create_infer_model(self, hef_source: Any, name: str = "") -> Any:
        """Not emulated: only generative models run here."""
        self._refuse_other_process()
        with NativeCall():
            raise failure(Status.NOT_IMPLEMENTED)

    def configure(self, hef: Any, configure_params_by_name: Any = _NO_PARAMS) -> Any:
        """Not emulated: only generative models run here."""
        self._refuse_other_process()
        with NativeCall():
            raise failure(Status.NOT_IMPLEMENTED)

    def _refuse_other_process(self) -> None:
        if self._creation_pid != os.getpid():
            raise HailoRTException("VDevice can only be used from the process it was created in.")

    def __enter__(self) -> "VDevice":
        return self

    def __exit__(self, *args: Any) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()
