"""A control group of its own for each host, on machines whose init is not systemd.

systemd-nspawn puts a container below the group that it is started in.  Two hosts started in one group
would share it, and so would their services of the same name: stopping one would wait for the other.  Where
this machine runs systemd itself, that gives every container a scope, and nothing is done here.
"""

import os
import time
from pathlib import Path

from emulator.fleet.errors import FleetError
from emulator.fleet.machine import booted_by_systemd


def _hierarchies() -> list[Path]:
    """The mount points of cgroup v2 and of systemd's own v1 hierarchy: what a container's systemd manages."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.split()[:3]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options):
            found.append(Path(fields.split()[4]))
    return found


def check() -> None:
    """See that groups can be made here.

    Raises:
        FleetError: they cannot.
    """
    if booted_by_systemd():
        return
    cure = "run it on a machine or in a container with all rights (`docker run --privileged`)."
    if not _hierarchies():
        raise FleetError(f"No cgroup hierarchy is mounted, and the Pis' systemd needs one: {cure}")
    for hierarchy in _hierarchies():
        group = hierarchy / f"hailo-fleet-preflight-{os.getpid()}"
        try:
            group.mkdir()
            group.rmdir()
        except OSError as error:
            raise FleetError(f"No control group can be made ({error}); each Pi needs one: {cure}") from error


def enter(name: str) -> None:
    """Move the calling process, and so all that it starts, into the group ``name``."""
    if booted_by_systemd():
        return
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))


def remove(name: str, seconds: float = 5.0) -> None:
    """Remove the group and those below it; the kernel lets only empty ones go.

    Raises:
        OSError: something still runs in it after that time.
    """
    limit = time.monotonic() + seconds
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / name, topdown=False):
            while True:
                try:
                    Path(directory).rmdir()
                    break
                except OSError:
                    if time.monotonic() > limit:
                        raise
                    time.sleep(0.05)  # the last processes are just ending
