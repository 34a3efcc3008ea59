"""Bring a fleet up, take it down, tell how it is."""

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emulator.fleet import host as hosts_of
from emulator.fleet import inventory, machine, mirror, network, preflight, rootfs, state, vendor
from emulator.fleet.console import run, say, tail
from emulator.fleet.errors import FleetError
from emulator.fleet.host import Host
from emulator.fleet.layout import BUILD, MAX_HOSTS, Layout
from emulator.fleet.state import State
from emulator.packages import build
from emulator.packages.build import Mirror


def up(layout: Layout, count: int, suite: str, time_scale: float, base: Path | None = None) -> list[Host]:
    """Boot hosts 1 to ``count`` and wait until all answer; what runs already is kept as it is.

    Args:
        layout: the fleet.
        count: how many hosts it is to have.
        suite: their Debian.
        time_scale: how fast their NPUs are.
        base: the disk of another host of the suite, which new ones begin with in place of the image alone.

    Raises:
        FleetError: something could not be made; ``up`` goes on from there, ``down`` removes it.
    """
    preflight.check(layout, count, suite)
    with state.locked(layout.lock_file):
        record = state.load_or_create(layout, suite)
        layout.processes.mkdir(exist_ok=True)
        network.ensure(layout, record.bridge_mac)
        with state.building(BUILD):
            if not record.image or not Path(record.image).exists():
                record.image = str(rootfs.ensure(suite))
                record.save(layout)
            content = _serve_mirror(layout, record)
        _make_key(layout)
        fleet = [hosts_of.of_number(layout, number) for number in range(1, count + 1)]
        _drop_surplus(layout, record, {host.name for host in fleet})
        record.hosts = [host.name for host in fleet]
        record.save(layout)
        files = vendor.image_files(layout, content, suite, time_scale)
        _boot(fleet, Path(record.image), files, base)
        inventory.write(layout, fleet, vendor.role_variables(layout, content, suite))
    return fleet


def _make_key(layout: Layout) -> None:
    if not layout.private_key.exists():
        part = layout.private_key.with_suffix(".part")
        part.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"fleet-{layout.name}", "-f", part])
        part.with_suffix(".part.pub").replace(layout.private_key.with_suffix(".pub"))
        part.replace(layout.private_key)


def _serve_mirror(layout: Layout, record: State) -> Mirror:
    say("Building the vendor's packages, the stand-in model and hailo-apps (about 10 s at first)")
    try:
        content = build.ensure(BUILD / "mirror")
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode() if isinstance(error.stderr, bytes) else error.stderr
        raise FleetError(f"`{' '.join(map(str, error.cmd))}` failed: {tail(said or '')}") from error
    changed = record.mirror != str(content.folder)
    record.mirror = str(content.folder)
    record.save(layout)
    mirror.ensure(layout, content.folder, restart=changed)
    used = {record.mirror for record in state.every_record()}
    for old in content.folder.parent.iterdir():
        if str(old) not in used:
            machine.delete_tree(old)
    return content


def _boot(fleet: list[Host], image: Path, files: dict[str, str | bytes], base: Path | None) -> None:
    say(f"Booting {', '.join(host.name for host in fleet)} (about {4 + 3 * len(fleet)} s)")
    layout = fleet[0].layout
    for host in fleet:
        hosts_of.create(host, files, base)
    layout.known_hosts.write_text("".join(hosts_of.host_key_line(host) for host in fleet))
    for host in fleet:
        hosts_of.boot(host, image)
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(hosts_of.wait_ready, fleet))


def _recorded_hosts(layout: Layout, record: State) -> list[Host]:
    numbers = {layout.host_name(number): number for number in range(1, MAX_HOSTS + 1)}
    return [hosts_of.of_number(layout, numbers[name]) for name in record.hosts]


def _drop_surplus(layout: Layout, record: State, wanted: set[str]) -> None:
    surplus = [host for host in _recorded_hosts(layout, record) if host.name not in wanted]
    if surplus:
        say(f"Stopping {', '.join(host.name for host in surplus)}")
        hosts_of.stop_all(surplus)
        for host in surplus:
            machine.delete_tree(host.directory)


def down(layout: Layout) -> None:
    """Remove everything that the fleet has on this machine, in reverse order of its making.

    Raises:
        FleetError: not root, or something is still in use; a second call goes on.
    """
    if not layout.directory.exists() and not layout.lock_file.exists():
        say(f"There is no fleet {layout.name!r}.")
        return
    machine.need_root()
    with state.locked(layout.lock_file):
        record = state.load(layout)
        if record is not None:
            fleet = _recorded_hosts(layout, record)
            say(f"Stopping {', '.join(host.name for host in fleet) or 'nothing'}")
            hosts_of.stop_all(fleet)
            mirror.stop(layout)
            network.remove(layout, record.bridge_mac)
        machine.delete_tree(layout.directory)
        layout.lock_file.unlink()
        with contextlib.suppress(OSError):
            layout.directory.parent.rmdir()  # refused while it holds another fleet
    say(f"The fleet {layout.name!r} is gone; `make up` boots it anew from .build, `make clean` deletes that.")


def down_all() -> None:
    """Take every fleet of this checkout down.

    Raises:
        FleetError: as ``down``; the fleets after the one that fails are left up.
    """
    layouts = state.every_layout()
    for layout in layouts:
        down(layout)
    if not layouts:
        say("No emulated Pi of this checkout is up: `make up` boots some.")


def hosts(layout: Layout) -> list[Host]:
    """The hosts of a fleet.

    Raises:
        FleetError: there is no such fleet.
    """
    record = state.load(layout)
    if record is None or not record.hosts:
        raise FleetError(f"There is no fleet {layout.name!r}: `make up` boots one.")
    return _recorded_hosts(layout, record)
