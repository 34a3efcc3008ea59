"""What the commands ask of this machine: its programs, and files that tell of it."""

import os
import re
import subprocess
from pathlib import Path

HAILO_VENDOR = "0x1e60"  # of PCI devices
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


def system_name() -> str:
    """What the operating system calls itself."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"), re.MULTILINE)
    return found[1] if found else "unknown"


def board_name() -> str:
    return read("/proc/device-tree/model") or "unknown"


def meminfo() -> dict[str, int]:
    """MB by name, as /proc/meminfo has them."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", _MEMINFO.read_text(), re.MULTILINE)
    return {name: int(kilobytes) // 1024 for name, kilobytes in found}
