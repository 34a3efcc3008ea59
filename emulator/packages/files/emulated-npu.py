#!/usr/bin/python3
"""Make the device node of the emulated Hailo-10H, with the owner and mode that the udev rules give it.

On a Pi the kernel module makes it and udevd applies the rules; an emulated Pi has neither, so this reads the
rules that name the driver's class.  Without such a rule the node is root's alone.
"""

import grp
import os
import re
import stat
import tomllib
from pathlib import Path

CLASS = "hailo_chardev"
FOLDERS = ("/usr/lib/udev/rules.d", "/run/udev/rules.d", "/etc/udev/rules.d")
NULL_DEVICE = os.makedev(1, 3)  # what lies behind the node is never read: the emulator only opens it


def rule_files() -> list[Path]:
    """All rule files in udev's order; a later folder's file replaces one of the same name."""
    found = {path.name: path for folder in FOLDERS for path in sorted(Path(folder).glob("*.rules"))}
    return [found[name] for name in sorted(found)]


def permissions() -> tuple[int, int]:
    """The group and mode that the rules for the device's class assign."""
    group, mode = 0, 0o600
    for file in rule_files():
        for line in file.read_text().replace("\\\n", " ").splitlines():
            if line.lstrip().startswith("#") or f'SUBSYSTEM=="{CLASS}"' not in line:
                continue
            if found := re.search(r'GROUP:?="([^"]+)"', line):
                try:
                    group = grp.getgrnam(found[1]).gr_gid
                except KeyError:
                    print(f"{file}: unknown group {found[1]}, ignored")
            if found := re.search(r'MODE:?="([0-7]+)"', line):
                mode = int(found[1], 8)
    return group, mode


def device() -> Path:
    """The node's path: the emulator's setting, or the driver's name for the first device."""
    settings = Path("/etc/hailo-emulator.toml")
    if settings.exists():
        return Path(tomllib.loads(settings.read_text()).get("device", "/dev/hailo0"))
    return Path("/dev/hailo0")


def main() -> None:
    """Make the node, or set an existing one right."""
    node = device()
    group, mode = permissions()
    if not node.exists():
        os.mknod(node, stat.S_IFCHR | 0o600, NULL_DEVICE)
    os.chown(node, 0, group)
    node.chmod(mode)
    print(f"{node} is up, mode {mode:04o}, group {group}")


main()
