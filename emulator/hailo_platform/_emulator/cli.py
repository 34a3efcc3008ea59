"""hailortcli: identify, scan, logs and version, with the output that programs parse."""

import argparse
import sys

from hailo_platform._emulator import clock, device, server
from hailo_platform._emulator.device import PCIE_ADDRESS
from hailo_platform._emulator.errors import HailoRTStatusException, status_name
from hailo_platform._emulator.settings import settings
from hailo_platform._emulator.shared import read_state


def _identify() -> int:
    device.check_node()
    clock.spend(settings().timing.identify)
    firmware = settings().faults.firmware_version or settings().version
    print(f"Executing on device: {PCIE_ADDRESS}")
    print("Identifying board")
    print("Control Protocol Version: 2")
    print(f"Firmware Version: {firmware} (release,app)")
    print("Logger Version: 0")
    print("Device Architecture: HAILO10H")
    return 0


def _scan() -> int:
    try:
        device.check_node()
    except HailoRTStatusException:
        print("Hailo devices not found")
        return 0
    print("Hailo Devices:")
    print(f"[-] Device: {PCIE_ADDRESS}")
    return 0


def _logs(kind: str) -> int:
    """The log of a part of the chip: how often its server was started, and the loads since boot."""
    device.check_node()
    print(f"[{kind}] hailort_server started, incarnation {server.incarnation()}")
    print(f"[{kind}] models loaded since boot: {read_state().get('loads', 0)}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with the native status on stderr."""
    parser = argparse.ArgumentParser(prog="hailortcli", description="HailoRT command line, emulated")
    parser.add_argument(
        "-v", "--version", action="version", version=f"HailoRT-CLI version {settings().version}"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    control = commands.add_parser("fw-control", help="control operations").add_subparsers(
        dest="control", required=True
    )
    control.add_parser("identify", help="show the device's identity")
    commands.add_parser("scan", help="show the devices")
    logs = commands.add_parser("logs", help="show a log of the chip")
    logs.add_argument("kind", choices=("runtime", "system_control", "nnc"))
    options = parser.parse_args(arguments)
    try:
        if options.command == "logs":
            return _logs(options.kind)
        return _identify() if options.command == "fw-control" else _scan()
    except HailoRTStatusException as error:
        status = int(error.args[0])
        print(
            f"[HailoRT CLI] [error] CHECK_SUCCESS failed with status={status_name(status)}({status})",
            file=sys.stderr,
        )
        return 1
