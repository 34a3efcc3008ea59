"""Preflight checks: what this machine must have is looked at before anything is made or installed.

What is missing is a ``FleetError``: one or two sentences with the cure.
"""

import errno
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from emulator.fleet import cgroup, machine, network, rootfs, state
from emulator.fleet.console import tail
from emulator.fleet.errors import FleetError
from emulator.fleet.layout import BUILD, MAX_HOSTS, MIRROR_PORT, REPOSITORY, Layout

# Megabytes that a fresh clone took (625, 195, 395 on disk, 210 in memory a Pi), with a fifth to spare.
_VENV, _IMAGE, _HOST_DISK, _HOST_MEMORY, _DEPLOYMENT_MEMORY = 750, 240, 480, 260, 500

# The shell tidies up itself: it comes to its end also when this process is killed.
_NAMESPACES = """
folder=$(mktemp -d "$PWD/preflight-XXXXXX")
trap 'rm -r "$folder"' EXIT
cd "$folder"
mkdir lower upper work root
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root
umount root
"""
_NETWORK = """
ip link add preflight type bridge
nft 'add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade'
"""


def check(layout: Layout, count: int, suite: str) -> None:
    """Refuse what cannot succeed; install the programs that are missing once nothing else stands against it.

    Raises:
        FleetError: what is missing, and the cure.
    """
    machine.need_root()
    limit = min(MAX_HOSTS, layout.subnet.num_addresses - 12)
    if not 1 <= count <= limit:
        raise FleetError(f"HOSTS (--hosts) must be a whole number from 1 to {limit}, not {count}.")
    if suite not in rootfs.SUITES:
        raise FleetError(f"SUITE (--suite) must be {' or '.join(rootfs.SUITES)}, not {suite!r}.")
    record = state.load(layout)
    if record is not None:
        record.refuse_other(layout, suite)
    new = _new_hosts(layout, count)
    _check_disk(new, suite)
    _check_memory(new)
    machine.name_servers()
    missing = machine.missing_packages()
    if missing or not rootfs.path(suite).exists():
        _check_archive(suite)
    cgroup.check()
    _probe("--mount --pid --ipc --uts --net --fork", _NAMESPACES)
    machine.install(missing)
    _probe("--net", _NETWORK)
    network.refuse_taken(layout, record.bridge_mac if record else None)
    _check_port(layout)


def _check_disk(new: int, suite: str) -> None:
    needed = new * _HOST_DISK
    needed += 0 if (BUILD / "venv/state").exists() else _VENV
    needed += 0 if rootfs.path(suite).exists() else _IMAGE
    free = shutil.disk_usage(REPOSITORY).free // 10**6
    if free < needed:
        raise FleetError(
            f"{REPOSITORY} has {free} MB of free disk space, and {needed} MB are needed: make room, ask for "
            f"fewer HOSTS ({_HOST_DISK} MB each), or clone the repository onto a larger disk."
        )


def _check_memory(new: int) -> None:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024 // 10**6
    needed = _DEPLOYMENT_MEMORY + new * _HOST_MEMORY
    if new and free < needed:
        raise FleetError(
            f"{free} MB of memory are available, and {needed} MB are needed: close other programs, or ask "
            f"for fewer HOSTS ({_HOST_MEMORY} MB each)."
        )


def _check_archive(suite: str) -> None:
    url = f"{rootfs.ARCHIVE}/dists/{suite}/InRelease"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=15):
            pass
    except (urllib.error.URLError, OSError) as error:
        raise FleetError(
            f"{url} cannot be had ({getattr(error, 'reason', error)}), and the Pis' image is made of "
            f"Debian's packages: get online, or name a proxy (`http_proxy=http://... make up`)."
        ) from error


def _probe(namespaces: str, script: str) -> None:
    """Try in namespaces of their own, which vanish, what a fleet does for good."""
    BUILD.mkdir(exist_ok=True)
    command = ["unshare", *namespaces.split(), "sh", "-euc", script]
    result = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise FleetError(
            f"This machine does not permit what emulated Pis need: namespaces, overlay mounts, a bridge and "
            f"NAT ({tail(result.stderr, 1)}). Use a computer or virtual machine of your own, or a container "
            f"with all rights (`docker run --privileged`) and the repository on a volume."
        )


def _check_port(layout: Layout) -> None:
    """The mirror's address may be bound; where it does not exist yet, IP_FREEBIND (ip(7), 15) binds it."""
    if network.has_bridge(layout):
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.IPPROTO_IP, 15, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(layout.gateway), MIRROR_PORT))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise FleetError(
                f"Port {MIRROR_PORT} is taken on this machine, and the Pis' mirror serves there: stop what "
                f"listens (`ss -ltnp sport = :{MIRROR_PORT}` names it) or let it listen on one address only."
            ) from error


def _new_hosts(layout: Layout, count: int) -> int:
    return sum(not layout.host_directory(layout.host_name(number)).exists() for number in range(1, count + 1))


def estimate(layout: Layout, count: int, suite: str) -> str:
    """How long ``make up`` takes from here; measured on two cores with a fast line."""
    seconds = (0 if (BUILD / "venv/state").exists() else 60) + (0 if rootfs.path(suite).exists() else 40)
    seconds += 40 + 5 * count + 45 * _new_hosts(layout, count)
    return f"about {seconds} s" if seconds < 90 else f"about {seconds / 60:.0f} minutes"
