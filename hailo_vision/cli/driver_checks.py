"""What on the Pi keeps the chip's driver from working: checks of `hailo-vision doctor`.

Sources: the vendor's driver (hailort-drivers, linux/pcie), modprobe.d(5), depmod.d(5).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hailo_vision.cli import tools
from hailo_vision.cli.finding import Finding

_HAILO_10H = "0x45c4"
_MODULE = "hailo1x_pci"
_MODPROBE_FOLDERS = ("etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d")
_FORBIDS = ("blacklist", "install", "module_blacklist", "modprobe.blacklist")


def check_driver(root: Path = Path("/"), release: str = os.uname().release) -> Iterator[Finding]:
    """The findings about a kernel release's driver in the system below root; none where there is no chip."""
    yield from _binding(root)
    yield from _overrides(root)
    yield from _module_files(root, release)


def _binding(root: Path) -> Iterator[Finding]:
    for device in tools.hailo_devices(root):
        kind, module = tools.read(device / "device"), _link(device / "driver/module")
        where = f"{tools.HAILO_VENDOR[2:]}:{kind[2:]} at {device.name}"
        if kind != _HAILO_10H:
            yield Finding("driver", f"{where} is no Hailo-10H", "This service needs the AI HAT+ 2.")
        elif module == _MODULE:
            yield Finding("driver", f"{_MODULE} is bound to {where}")
        elif module or _link(device / "driver"):
            other = module or _link(device / "driver")
            yield Finding(
                "driver",
                f"{other} is bound to {where}, which it can't serve",
                f"Write 'blacklist {other}' into a file of /etc/modprobe.d, run update-initramfs -u, reboot.",
            )
        else:
            yield Finding(
                "driver",
                f"no driver is bound to {where}",
                "Reinstall h10-hailort-pcie-driver with the headers of the running kernel, and reboot.",
            )


def _overrides(root: Path) -> Iterator[Finding]:
    """Settings of modprobe and of the kernel that keep the driver from being loaded."""
    places = [
        (f"/{path.relative_to(root)}:{number}", line)
        for folder in _MODPROBE_FOLDERS
        for path in sorted((root / folder).glob("*.conf"))
        for number, line in enumerate(tools.read(path).splitlines(), 1)
    ]
    cmdline = re.findall(
        r"\bmodule_blacklist=\S+|\bmodprobe\.blacklist=\S+", tools.read(root / "proc/cmdline")
    )
    places += [("the kernel's command line", word.replace("=", " ").replace(",", " ")) for word in cmdline]
    for place, line in places:
        verb, *modules = line.replace("-", "_").split() or [""]
        if verb in _FORBIDS and _MODULE in (modules[:1] if verb == "install" else modules):
            yield Finding(
                "driver settings",
                f"{place} keeps {_MODULE} from being loaded: {line.strip()}",
                "Take it out, run update-initramfs -u, and reboot.",
            )


def _module_files(root: Path, release: str) -> Iterator[Finding]:
    """The driver's files for a kernel, of which depmod picks one, and the headers that DKMS needs for it."""
    modules = root / "lib/modules"
    if not (modules / release).is_dir() or not list(root.glob(f"usr/src/{_MODULE}-*")):
        return  # a container, or no driver by DKMS
    files = sorted((modules / release).rglob(f"{_MODULE}.ko*"))
    stale = [f"/{path.relative_to(root)}" for path in files if "dkms" not in path.parts]
    if stale:
        yield Finding(
            "driver file",
            f"{', '.join(stale)} was not built by DKMS and may be loaded in place of the installed driver",
            "Delete it, run depmod -a and update-initramfs -u, and reboot.",
        )
    elif files:
        yield Finding("driver file", f"/{files[0].relative_to(root)}")
    else:
        yield _missing_file(modules, release)


def _missing_file(modules: Path, release: str) -> Finding:
    missing = f"there is no {_MODULE} for the running kernel {release}"
    if (modules / release / "build").exists():
        return Finding(
            "driver file", missing, "Run dkms autoinstall, and look at its log if that fails; reboot."
        )
    others = sorted(path.parent.name for path in modules.glob("*/build") if path.exists())
    install = f"install linux-headers-{release}, run dkms autoinstall, and reboot."
    if others:
        told = f"{missing}, nor its headers; there are headers of {', '.join(others)}"
        return Finding("driver file", told, f"Boot the kernel that has headers, or {install}")
    return Finding("driver file", f"{missing}, nor its headers", install.capitalize())


def _link(path: Path) -> str:
    """The name of what a link leads to, "" if there is none."""
    try:
        return Path(os.readlink(path)).name
    except OSError:
        return ""
