#!/usr/bin/python
"""Everything that the Hailo roles want to know about a host, in one look.

M(ansible.builtin.setup), C(package_facts), C(service_facts) and C(stat) tell less of it in many round trips.
It changes nothing and returns the fact C(hailo), which its functions describe. It runs with the Python
of Debian 11, too, for which nothing else here is: that it is too old is one of the things to tell.
"""

from __future__ import annotations

import glob
import grp
import os
import platform
import pwd
import re
import struct
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import hailo_state
from ..module_utils.hailo_look import DEVICE_NODES, access, load, matching, read
from ..module_utils.hailo_tree import is_intact

PACKAGES = (
    "h10-hailort*",
    "hailort*",
    "hailo-*",
    "python3-h10-hailort",
    "python3-hailo*",
    "dkms",
    "linux-headers-*",
    "linux-image-*",
    "python3-pip",
    "python3-venv",
    "nftables",
)
# Where the roles write.
WRITTEN = ("/", "/etc", "/opt", "/usr", "/var")
PYTHON = "/usr/bin/python3"
NFT = "/usr/sbin/nft"
JOURNAL = "systemd-journald.service"
UNITS = [
    "hailo-vision.service",
    "hailo-vision.socket",
    "hailo-vision.slice",
    "hailo.slice",
    "hailo-vision-firewall.service",
    "hailo-model.service",
]
TREES = {
    "apps": ("/opt/hailo-vision/vendor", "hailo-apps"),
    "vision": ("/opt/hailo-vision/releases", "../current"),
}
THROTTLED = "/sys/devices/platform/soc*/soc*:firmware/get_throttled"
# The bits of what the firmware says: the first four for now, those from the seventeenth since the boot.
THROTTLING = ("too low a voltage", "a capped frequency", "throttling", "the soft temperature limit")
PCI_VENDOR = "0x1e60"
SUPPLIED = "/var/lib/hailo-driver/supplied.json"
BINDINGS = "/usr/local/lib/python3*/dist-packages/hailo_platform/__init__.py"
KERNELS = "/lib/modules/*"
# Where the firmware looks since Bookworm, and before: there, newer systems have files that name the others.
BOOT = ("/boot/firmware", "/boot")
BOOT_FILES = ("config.txt", "cmdline.txt")
BOOT_RECORD = "/var/lib/hailo-driver/boot.json"
RULE = "/etc/udev/rules.d/70-hailo.rules"
HELD = "/var/lib/hailo-driver/held-packages"
GROUP_MADE = "/var/lib/hailo-driver/group"
# Where hailo-apps puts models, in the folder that the predecessor had set and in its own.
MODELS = (
    "/var/lib/hailo-vision/resources/models/hailo10h/*.hef",
    "/usr/local/hailo/resources/models/hailo10h/*.hef",
)
# What the installation script of the service before this one leaves behind, and the settings it serves with.
PREDECESSOR = (
    "/opt/hailo-vision/hailo_vision_server.py",
    "/opt/hailo-vision/device_client.py",
    "/opt/hailo-vision/render_config.py",
    "/opt/hailo-vision/requirements.txt",
    "/opt/hailo-vision/__pycache__",
    "/var/lib/hailo-vision/cache",
    "/etc/xdg/hailo-vision",
)
PREDECESSOR_SETTINGS = "/etc/xdg/hailo-vision/hailo-vision.json"
DEVICE_MANAGER = "hailo-device-manager.service"
# What dpkg had not written into its database yet when it was interrupted.
UPDATES = "/var/lib/dpkg/updates/[0-9]*"
DRIVER_LISTS = "/var/lib/dpkg/info/*hailort-pcie-driver*.list"
RUNTIME_LISTS = "/var/lib/dpkg/info/*hailort*.list"
UNIT_PROPERTIES = (
    "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestamp,StateChangeTimestamp,"
    "ExecMainStartTimestamp,MemoryMax,CPUQuotaPerSecUSec,RequiredBy,StatusText"
)


def system() -> dict[str, Any]:
    """Operating system, processor and what the running kernel offers."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', read("/etc/os-release"), re.MULTILINE))
    found = kernels()
    return {
        "machine": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "kernel": platform.release(),
        "os": release.get("PRETTY_NAME", platform.system()),
        "os_family": [release.get("ID", ""), *release.get("ID_LIKE", "").split()],
        "wheels": {
            # That of the service, whichever Ansible runs this with.
            "python": os.path.realpath(PYTHON).rpartition("python")[2],
            "machine": platform.machine(),
            "glibc": platform.libc_ver()[1],
        },
        "cores": os.cpu_count() or 1,
        "systemd": os.path.isdir("/run/systemd/system"),
        "time": int(time.time()),
        "headers_of": [kernel for kernel, has_headers in found.items() if has_headers],
        # A later boot may bring them, and DKMS has built no driver for them.
        "kernels_without_headers": [
            kernel
            for kernel, has_headers in found.items()
            if not has_headers and numbers(kernel) > numbers(platform.release())
        ],
        "read_only": [
            path for path in WRITTEN if os.path.isdir(path) and os.statvfs(path).f_flag & os.ST_RDONLY
        ],
        "overlay": bool(re.search(r"\b(boot=overlay|overlayroot=tmpfs)", read("/proc/cmdline"))),
        "memory_limits": "memory" in read("/sys/fs/cgroup/cgroup.controllers").split()
        or bool(re.search(r"^memory\t\d+\t\d+\t1$", read("/proc/cgroups"), re.MULTILINE)),
    }


def kernels() -> dict[str, bool]:
    """The kernels of the running one's flavour, which ends its name, and whether their headers are there."""
    found = {os.path.basename(path): os.path.exists(f"{path}/build") for path in sorted(glob.glob(KERNELS))}
    flavour = re.compile(r"-[a-z][\w-]*$")
    mine = flavour.findall(platform.release())
    return {kernel: built for kernel, built in found.items() if flavour.findall(kernel) == mine}


def numbers(kernel: str) -> list[int]:
    """A kernel's version for comparison."""
    return [int(number) for number in re.findall(r"\d+", kernel.partition("-")[0])]


def throttling(module: AnsibleModule) -> dict[str, Any]:
    """What a Raspberry Pi's firmware says of its supply and its temperature, now and since the boot."""
    said = "".join(map(read, glob.glob(THROTTLED)))
    command = module.get_bin_path("vcgencmd")
    if not said and command:
        _, said, _ = module.run_command([command, "get_throttled"])
    found = re.search(r"(?:^|=0x)([0-9a-f]+)\s*$", said)
    value = int(found[1], 16) if found else 0
    states = [
        f"{text} {when}"
        for first, when in ((0, "now"), (16, "since its boot"))
        for bit, text in enumerate(THROTTLING, first)
        if value >> bit & 1
    ]
    return {"value": f"{value:#x}", "states": states}


def device() -> dict[str, Any]:
    """The Hailo device as the PCI bus and the device nodes show it."""
    chips = [
        os.path.dirname(path)
        for path in glob.glob("/sys/bus/pci/devices/*/vendor")
        if read(path).strip() == PCI_VENDOR
    ]
    modules = [f"{chip}/driver/module" for chip in chips if os.path.exists(f"{chip}/driver/module")]
    return {
        "nodes": [{"path": path, **access(path)} for path in matching(*DEVICE_NODES)],
        "pci": sorted(read(f"{chip}/device").strip() for chip in chips),
        "driver_modules": sorted(os.path.basename(os.path.realpath(module)) for module in modules),
    }


def newest(*patterns: str) -> float:
    """When the latest of them was written, in seconds since the epoch; 0 if there is none.

    A time to come is of a clock that went wrong, and would be later than whatever is done now.
    """
    times = [os.stat(path).st_mtime for path in matching(*patterns)]
    return max((moment for moment in times if moment <= time.time()), default=0)


def driver_pending() -> bool:
    """Whether the driver was installed after the last boot, so that module and firmware are the old ones."""
    boot = re.search(r"^btime (\d+)$", read("/proc/stat"), re.MULTILINE)
    ticks = int(read("/proc/1/stat").rpartition(")")[2].split()[19])
    booted = int(boot[1] if boot else 0) + ticks / os.sysconf("SC_CLK_TCK")
    return newest(DRIVER_LISTS) > booted


def boot() -> dict[str, Any]:
    """What a Raspberry Pi's firmware reads, and what the role remembers of its changes to it."""
    places = [place for place in BOOT if all(os.path.isfile(f"{place}/{name}") for name in BOOT_FILES)]
    folder = places[0] if places else ""
    space = os.statvfs(folder or "/")
    return {
        "folder": folder,
        "files": {name: file(f"{folder}/{name}") for name in BOOT_FILES if folder},
        "kept": [name for name in BOOT_FILES if os.path.exists(f"{folder}/{name}.before-hailo")],
        "room": 0 if space.f_flag & os.ST_RDONLY else space.f_bavail * space.f_frsize,
        "record": {"words": [], "boot_id": ""} | load(BOOT_RECORD, dict),
        "id": read("/proc/sys/kernel/random/boot_id").strip(),
        "running": read("/proc/cmdline").split(),
    }


def file(path: str) -> dict[str, Any]:
    """A file as hailo_paths takes it; without its text if that is not UTF-8, which Ansible does not carry."""
    try:
        with open(path, encoding="utf-8", newline="") as opened:
            return {"content": opened.read(), **access(path)}
    except UnicodeDecodeError:
        return {"content": None, **access(path)}


def packages(module: AnsibleModule, names: list[str]) -> tuple[dict[str, str], list[str]]:
    """Versions of those packages that are installed, and which of these are held."""
    if not os.path.exists("/usr/bin/dpkg-query"):
        return {}, []
    form = "${db:Status-Want} ${db:Status-Status} ${Package} ${Version}\\n"
    code, out, err = module.run_command(["/usr/bin/dpkg-query", "--show", f"--showformat={form}", *names])
    # 1 is for a name that it does not know.
    if code > 1:
        module.fail_json(
            msg=f"dpkg can't read its database: {err.strip()}. Take the file that it names from before: "
            "/var/lib/dpkg/status-old or /var/backups/dpkg.status.0 for /var/lib/dpkg/status."
        )
    rows = [line.split(" ", 3) for line in out.splitlines()]
    found = {name: version for _, status, name, version in rows if status == "installed"}
    return found, sorted({name for want, _, name, _ in rows if want == "hold" and name in found})


def waiting(module: AnsibleModule, names: list[str]) -> dict[str, str]:
    """Newer versions that the archives have of those packages, by the lists that the host has."""
    if not names:
        return {}
    _, out, _ = module.run_command(["apt-cache", "policy", *names], environ_update={"LC_ALL": "C"})
    rows = re.findall(r"^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)$", out, re.MULTILINE)
    return {name: candidate for name, installed, candidate in rows if installed != candidate}


def supplied() -> dict[str, Any]:
    """What was installed from files that the operator had supplied."""
    empty: dict[str, Any] = {"digests": {}, "packages": {}, "requires": [], "distribution": ""}
    return empty | load(SUPPLIED, dict) | {"importable": bool(glob.glob(BINDINGS))}


def units(module: AnsibleModule, names: list[str]) -> dict[str, dict[str, str]]:
    """State of units as `systemctl show` tells it."""
    if not os.path.isdir("/run/systemd/system"):
        return {}
    command = ["systemctl", "show", "--timestamp=unix", f"--property={UNIT_PROPERTIES}", "--", *names]
    _, out, _ = module.run_command(command)
    states = [dict(re.findall(r"^(\w+)=(.*)$", block, re.MULTILINE)) for block in out.split("\n\n")]
    return {state["Id"]: state for state in states if "Id" in state}


def walled(module: AnsibleModule) -> bool:
    """Whether the kernel has the rules of hailo-vision-firewall.service: any program can empty them."""
    table = [NFT, "list", "table", "inet", "hailo_vision"]
    return os.path.exists(NFT) and module.run_command(table)[0] == 0


def trees() -> dict[str, dict[str, Any]]:
    """Which release of each kind is in use, and which are as they were installed."""
    found = {}
    for name, (folder, link) in TREES.items():
        target = os.path.realpath(os.path.join(folder, link))
        present = [
            path for path in matching(f"{folder}/*") if os.path.isdir(path) and not os.path.islink(path)
        ]
        found[name] = {
            "current": os.path.basename(target) if os.path.isdir(target) else "",
            "present": [os.path.basename(path) for path in present],
            "intact": [os.path.basename(path) for path in present if is_intact(path)],
        }
    return found


def predecessor() -> dict[str, Any]:
    """What is left of the service before this one, and its settings; both empty where it never was."""
    sections = load(PREDECESSOR_SETTINGS, dict).items()
    settings = {name: section for name, section in sections if isinstance(section, dict)}
    return {"remains": [path for path in PREDECESSOR if os.path.lexists(path)], "settings": settings}


def good() -> dict[str, Any]:
    """The states in which the service was ready, and whether the last of them is the present one."""
    last = hailo_state.load("last")
    return {
        "last": hailo_state.release(last),
        "previous": hailo_state.release(hailo_state.load("previous")),
        "current": [item for item in last if item["path"] != hailo_state.PACKAGES] == hailo_state.capture(),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            # Debian packages to tell the versions of, besides those of HailoRT.
            "packages": {"type": "list", "elements": "str", "default": []},
            # systemd units to tell the state of.
            "units": {"type": "list", "elements": "str", "default": UNITS},
            # Seconds to wait for a device node before looking.
            "device_timeout": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    deadline = time.monotonic() + module.params["device_timeout"]
    while time.monotonic() < deadline and not matching(*DEVICE_NODES):
        time.sleep(0.5)
    handed = supplied()
    names = [*module.params["packages"], *handed["packages"], *handed["requires"]]
    installed, held = packages(module, [*PACKAGES, *names])
    runtime = installed.get("h10-hailort") or installed.get("hailort") or ""
    states = units(module, [*module.params["units"], JOURNAL, DEVICE_MANAGER])
    firmware = boot()
    facts = system() | device()
    facts |= {
        "packages": installed,
        "supplied": handed,
        "held": held,
        "rule": hailo_state.capture((RULE,)),
        "held_for_driver": read(HELD).split(),
        "waiting": waiting(module, [name for name in read(HELD).split() if name in held]),
        "group_made": read(GROUP_MADE).strip(),
        "dpkg_interrupted": bool(glob.glob(UPDATES)),
        "runtime": re.split(r"[-+~]", runtime)[0],
        "runtime_since": int(newest(RUNTIME_LISTS, SUPPLIED)),
        "reboot_pending": driver_pending() or firmware["record"]["boot_id"] == firmware["id"],
        "boot": firmware,
        "throttling": throttling(module),
        "models": matching(*MODELS),
        "predecessor": predecessor(),
        "device_manager": states.pop(DEVICE_MANAGER, {}).get("ActiveState", ""),
        "journal_since": states.pop(JOURNAL, {}).get("ActiveEnterTimestamp", ""),
        "units": states,
        "walled": walled(module),
        "users": {user.pw_name: user.pw_uid for user in pwd.getpwall()},
        "groups": sorted(group.gr_name for group in grp.getgrall()),
        "trees": trees(),
        "good": good(),
    }
    module.exit_json(changed=False, ansible_facts={"hailo": facts})


if __name__ == "__main__":
    main()
