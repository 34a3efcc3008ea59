"""The steps that need no chip: versions, board, storage, driver, device, temperature."""

import hashlib
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from hailo_vision.cli import tools
from hailo_vision.cli.client import Failed
from hailo_vision.cli.qualify.report import Values
from hailo_vision.npu import hef

_RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d")
_BLOCK = 4 * 1024 * 1024
_SAMPLE = 256 * 1024 * 1024
_WANTED = re.compile(r"\S*(?:pci|cma|hailo|modprobe)\S*")
_READ_SECONDS = 180
_LOG_LINES = 80
_DEFAULTS = b"default_generation_params"
_DEFAULTS_BYTES = 500


def versions() -> Values:
    form = "--showformat=${db:Status-Status} ${binary:Package} ${Version}\n"
    packages = tools.run("dpkg-query", "--show", form, "*hailo*").stdout
    return {
        **tools.versions(),
        "packages": re.findall(r"^installed (.+)$", packages, re.MULTILINE),
        "hailortcli": _printed("hailortcli", "--version"),
        "driver": tools.read(tools.MODULE_VERSION) or "not loaded",
        "hailortcli fw-control identify": _printed("hailortcli", "fw-control", "identify"),
    }


def board() -> Values:
    memory = tools.meminfo()
    values: Values = {
        "processors": os.cpu_count(),
        "memory (MB)": memory.get("MemTotal"),
        "CMA (MB)": memory.get("CmaTotal", "this kernel has none"),
        "bootloader": _printed("vcgencmd", "bootloader_version"),
        "command line": _WANTED.findall(tools.read("/proc/cmdline")),
    }
    for device in tools.hailo_devices():
        names = ("device", "current_link_speed", "current_link_width")
        kind, speed, width = (tools.read(device / name) for name in names)
        values[f"PCIe {device.name}"] = f"{kind}, {speed}, x{width}"
    return values


def storage(model: Path) -> Values:
    """Where the model file is, and how fast it is read when nothing of it is in memory."""
    found = tools.run("findmnt", "--noheadings", "--output=SOURCE,FSTYPE", f"--target={model}").stdout
    forget(model)
    started, read = time.monotonic(), 0
    with model.open("rb", buffering=0) as file:
        while read < _SAMPLE and (block := file.read(_BLOCK)):
            read += len(block)
    seconds = time.monotonic() - started
    return {
        "file system": found.strip() or "unknown",
        "read (MB)": read // 10**6,
        "MB/s": round(read / 1e6 / seconds, 1),
    }


def model_file(model: Path) -> Values:
    """Size, digest, and what stands in the file as text."""
    end = time.monotonic() + _READ_SECONDS
    total, defaults, tail = hashlib.sha256(), b"", b""
    with model.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            total.update(block)
            window = tail + block
            at = window.find(_DEFAULTS)
            if at >= 0 and len(defaults) < _DEFAULTS_BYTES:
                defaults = window[at : at + _DEFAULTS_BYTES]
            tail = window[-2 * _DEFAULTS_BYTES :]
            if time.monotonic() > end:
                raise Failed(f"The file could not be read within {_READ_SECONDS} s.")
    text = re.split(rb"[^\x20-\x7e\n]", defaults, maxsplit=1)[0].decode().strip()
    return {
        "path": str(model),
        "bytes": model.stat().st_size,
        "SHA-256": total.hexdigest(),
        "compiled for HailoRT": hef.sdk_version(model) or "unknown",
        "format": hef.format_version(model),
        _DEFAULTS.decode(): text or "not in the file as text",
    }


def driver_log() -> Values:
    """The driver's lines in the kernel's log."""
    lines = tools.kernel_lines(r"hailo|\bcma\b")
    return {"lines": "\n".join(lines[-_LOG_LINES:]) or "none that can be read"}


def device(nodes: Sequence[str]) -> Values:
    """Mode, owner and group of the device's node, and the udev rules about it."""
    there = [node for node in nodes if os.path.exists(node)]
    rules = [
        f"{path}: {line.strip()}"
        for folder in _RULES
        for path in sorted(Path(folder).glob("*.rules"))
        for line in tools.read(path).splitlines()
        if re.match(r"\s*[^#].*(hailo|h1x)", line, re.IGNORECASE)
    ]
    owners = {rule.split(":")[0] for rule in rules}
    return {
        "node": _printed("stat", "--format=%n %A %U:%G", *there) if there else f"none of {', '.join(nodes)}",
        "udev rules": "\n".join(rules) or "none",
        "packages of these rules": [_printed("dpkg", "--search", path) for path in sorted(owners)],
    }


def heat() -> Values:
    zone = tools.read("/sys/class/thermal/thermal_zone0/temp")
    return {
        "processor (degrees C)": int(zone) / 1000 if zone.isdigit() else "unknown",
        "throttled (bits of vcgencmd get_throttled)": _printed("vcgencmd", "get_throttled"),
    }


def forget(path: Path) -> None:
    """Drop a file from the page cache, so that it is next read from the storage."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _printed(*command: str) -> str:
    done = tools.run(*command)
    return (done.stdout.strip() or done.stderr.strip()) if done.returncode != 127 else "not installed"
