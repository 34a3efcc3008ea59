"""What this machine must have before a host can boot, and how it gets it."""

import os
import shutil
import subprocess
from pathlib import Path

from emulator.fleet.console import run_shown, say
from emulator.fleet.errors import FleetError
from emulator.fleet.layout import BUILD

# A program that the fleet runs, and the Debian package that has it.
_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "git": "git",
    "dpkg-deb": "dpkg",
    "apt-ftparchive": "apt-utils",
    "gpg": "gnupg",
    "setpriv": "util-linux",
}
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def missing_packages() -> list[str]:
    """The Debian packages with the programs that this machine lacks.

    Raises:
        FleetError: some are missing, and this machine is no Debian that could install them.
    """
    missing = sorted({package for program, package in _PROGRAMS.items() if shutil.which(program) is None})
    if missing and shutil.which("apt-get") is None:
        programs = ", ".join(program for program in _PROGRAMS if shutil.which(program) is None)
        raise FleetError(
            f"These programs are missing, and there is no apt-get to install them: {programs}. In Debian "
            f"they are in {' '.join(missing)}: install your distribution's packages, or use Debian or Ubuntu."
        )
    return missing


def install(packages: list[str]) -> None:
    """Install packages in one go; nothing is touched for none.

    Raises:
        FleetError: apt failed.
    """
    if not packages:
        return
    say(f"Installing Debian packages that this machine lacks (about a minute): {' '.join(packages)}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    logs = BUILD / "log"
    run_shown(["apt-get", *wait, "update"], "apt-get update", logs / "apt-update.log", outlive=True)
    install = ["apt-get", *wait, "install", "--yes", "--no-install-recommends", *packages]
    run_shown(install, "apt-get install", logs / "apt-install.log", outlive=True)


def need_root() -> None:
    """Check for root, and make sure that root's programs are found.

    Raises:
        FleetError: not root.
    """
    if os.geteuid() != 0:
        raise FleetError("Emulated Pis need root (mounts, a bridge, namespaces): say it again with sudo.")
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:{_SBIN}"


def booted_by_systemd() -> bool:
    """Whether this machine's own init is systemd (then it hands out the control groups)."""
    return Path("/run/systemd/system").is_dir()


def name_servers() -> str:
    """A resolv.conf for the hosts: this machine's servers, without those that only it can reach.

    Raises:
        FleetError: every name server of this machine is on its loopback.
    """
    for file in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        if file.exists():
            lines = [line for line in file.read_text().splitlines() if line.startswith("nameserver")]
            usable = [line for line in lines if " 127." not in line and " ::1" not in line]
            if usable:
                return "\n".join(usable) + "\n"
    raise FleetError(
        "This machine's name servers are all on its loopback, where the Pis cannot reach them: put a line "
        "`nameserver ADDRESS` with one of your network's into /etc/resolv.conf."
    )


def mount_points(below: Path) -> list[Path]:
    """Everything mounted in or below a folder, the deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point == below or below in point.parents:
            found.append(point)
    return sorted(found, key=lambda point: len(point.parts), reverse=True)


def unmount(below: Path) -> None:
    """Unmount everything in or below a folder.

    Raises:
        FleetError: something still uses it.
    """
    for point in mount_points(below):
        result = subprocess.run(["umount", str(point)], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise FleetError(f"{point} cannot be unmounted: {result.stderr.strip()}")


def delete_tree(directory: Path) -> None:
    """Delete a folder; never through a mount."""
    if mounted := mount_points(directory):
        raise FleetError(f"{directory} is not deleted: {mounted[0]} is still mounted.")
    if directory.exists():
        shutil.rmtree(directory)
