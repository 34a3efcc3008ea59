"""VDevice: the chip as a program opens it."""

import gc
import os
from types import TracebackType
from typing import Any

from hailo_platform._emulator import clock, device
from hailo_platform._emulator.errors import HailoRTException, Status, failure
from hailo_platform._emulator.journal import record
from hailo_platform._emulator.settings import settings
from hailo_platform.pyhailort._pyhailort import VDeviceParams
from hailo_platform.pyhailort.exceptions import NativeCall

PCIE_ADDRESS = "0001:01:00.0"


class VDevice:
    """The chip, opened.

    Processes that open it with the same `params.group_id` share it; the default "UNIQUE" shares with
    nobody. Raises HailoRTException: 74 absent or in use, 36 forbidden or lost, 6 for
    multi_process_service, 76, 85 or 86 if driver and library differ.
    """

    def __init__(self, params: VDeviceParams | None = None, *, device_ids: list[str] | None = None) -> None:
        self._claim: device.Claim | None = None
        gc.collect()
        self._params = params if params is not None else VDevice.create_params()
        self._creation_pid = os.getpid()
        if device_ids is not None:
            self._params.device_ids = device_ids
        with NativeCall():
            self._claim = self._open()
        record("vdevice_open", group=self._params.group_id)

    def _open(self) -> device.Claim:
        params = self._params
        if params.multi_process_service:
            raise failure(Status.INVALID_OPERATION)
        if params.device_count != 1 or set(params.device_ids) - {PCIE_ADDRESS}:
            raise failure(Status.OUT_OF_PHYSICAL_DEVICES)
        device.check_node()
        claim = device.claim(params.group_id)
        clock.spend(settings().timing.vdevice_open)
        return claim

    @staticmethod
    def create_params() -> VDeviceParams:
        """Parameters with their defaults."""
        return VDeviceParams.default()

    @staticmethod
    def scan() -> list[str]:
        """The addresses of the devices that are there."""
        return [PCIE_ADDRESS] if os.path.exists(settings().device) else []

    def release(self) -> None:
        """Close the device; a second call does nothing."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None
            record("vdevice_release")

    def create_infer_model(self, hef_source: Any, name: str = "") -> Any:
        """Not emulated: only generative models run here."""
        self._refuse_other_process()
        with NativeCall():
            raise failure(Status.NOT_IMPLEMENTED)

    def configure(self, hef: Any, configure_params_by_name: Any = None) -> Any:
        """Not emulated: only generative models run here."""
        self._refuse_other_process()
        with NativeCall():
            raise failure(Status.NOT_IMPLEMENTED)

    def _refuse_other_process(self) -> None:
        if self._creation_pid != os.getpid():
            raise HailoRTException("VDevice can only be used from the process it was created in.")

    def __enter__(self) -> "VDevice":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()
