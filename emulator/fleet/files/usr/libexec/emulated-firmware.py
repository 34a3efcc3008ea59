#!/usr/bin/python3
"""Show what a Raspberry Pi 5 with an AI HAT+ 2 shows where a container shows the machine that it runs on.

Runs once in each boot, as the firmware does: what is changed in cmdline.txt shows after the next one.
"""

import subprocess
from pathlib import Path

RUN = Path("/run/emulated-firmware")
CMDLINE = Path("/boot/firmware/cmdline.txt")
# What the firmware puts before the words of cmdline.txt.
BEFORE = "reboot=w coherent_pool=1M 8250.nr_uarts=1 pci=pcie_bus_safe numa_policy=interleave"
DEVICE = {"vendor": "0x1e60", "device": "0x45c4", "class": "0x120000"}


def mount(*words: str) -> None:
    """Run mount(8)."""
    subprocess.run(["/usr/bin/mount", *words], check=True)


def fill(folder: Path, files: dict[str, str]) -> Path:
    """Make a folder with some files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def main() -> None:
    """Cover the files."""
    line = CMDLINE.read_text().partition("\n")[0]
    fill(RUN, {"cmdline": f"{BEFORE} {line}\n"})
    mount("--bind", str(RUN / "cmdline"), "/proc/cmdline")
    fill(RUN / "pci" / "0001:01:00.0", {name: f"{value}\n" for name, value in DEVICE.items()})
    mount("--bind", str(RUN / "pci"), "/sys/bus/pci/devices")


main()
