"""What the commands ask of this machine: its programs, and files that tell of it."""

import os
import platform
import re
import subprocess
from pathlib import Path

from hailo_vision import __version__

HAILO_VENDOR = "0x1e60"  # of PCI devices
MODULE_VERSION = Path("/sys/module/hailo1x_pci/version")  # of the loaded driver
MIN_CMA_MB = 240  # what loading a language model took of CMA on a Pi 5, as users measured
_MEMINFO = Path("/proc/meminfo")

# Not every user's path has the system's programs. HailoRT's would write a log into the current folder.
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "HAILORT_LOGGER_PATH": "NONE"}
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


def run(*command: str, seconds: float = 10) -> subprocess.CompletedProcess[str]:
    """What a program printed and its status: 127 if it is not installed, 124 if it took too long."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}"
    try:
        return subprocess.run(
            command,
            env={**os.environ, **_ENVIRONMENT, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror}\n")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(
            command, 124, "", f"{command[0]}: did not end within {seconds:g} s\n"
        )


def read(path: str | Path) -> str:
    """A small text file, "" if it can't be read; files of /proc/device-tree end in a zero byte."""
    try:
        return Path(path).read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def kernel_lines(pattern: str) -> list[str]:
    """The lines of the kernel's log since its boot that match a pattern; none if the user may not read it.

    The journal comes second: the kernel's own buffer needs no systemd, but may have lost the oldest lines.
    """
    for command in (("dmesg",), ("journalctl", "--dmesg", "--no-pager", "--output=short-monotonic")):
        lines = run(*command).stdout.splitlines()
        if found := [line for line in lines if re.search(pattern, line, re.IGNORECASE)]:
            return found
    return []


def hailo_devices(root: Path = Path("/")) -> list[Path]:
    """The Hailo devices on the PCI bus, as folders of sysfs in the system below root."""
    vendors = sorted(root.glob("sys/bus/pci/devices/*/vendor"))
    return [vendor.parent for vendor in vendors if read(vendor) == HAILO_VENDOR]


def versions() -> dict[str, str]:
    """Of what is on every machine, Hailo's chip or not."""
    return {
        "hailo-vision": __version__,
        "Python": platform.python_version(),
        "kernel": f"{platform.release()} {platform.machine()}",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "board": read("/proc/device-tree/model") or "unknown",
    }


def meminfo() -> dict[str, int]:
    """MB by name, as /proc/meminfo has them."""
    return megabytes(_MEMINFO.read_text())


def megabytes(text: str) -> dict[str, int]:
    """MB by name in the text of a file of /proc that tells of memory."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)
    return {name: int(kilobytes) // 1024 for name, kilobytes in found}
