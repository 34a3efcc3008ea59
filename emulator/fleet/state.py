"""What a fleet has made on this machine, written down before it is made.

``state.json`` is replaced atomically and synced before each step, so a process killed at any point leaves a
record of at least everything that exists.  Processes register themselves (``process.py``).
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from emulator.fleet.errors import FleetError
from emulator.fleet.layout import DEFAULT_SUBNET, REPOSITORY, Layout, make_layout

_FLEETS = REPOSITORY / ".fleet"


@dataclass
class State:
    """The record of one fleet."""

    name: str
    subnet: str
    suite: str
    bridge_mac: str
    image: str = ""
    mirror: str = ""
    hosts: list[str] = field(default_factory=list)

    def save(self, layout: Layout) -> None:
        """Write the record; after this returns it survives a crash."""
        layout.directory.mkdir(parents=True, exist_ok=True)
        temporary = layout.directory / "state.json.new"
        with temporary.open("w") as file:
            json.dump(asdict(self), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(layout.directory / "state.json")

    def refuse_other(self, layout: Layout, suite: str) -> None:
        """See that this fleet is the one that is asked for.

        Raises:
            FleetError: it has another subnet or suite.
        """
        if (IPv4Network(self.subnet), self.suite) != (layout.subnet, suite):
            raise FleetError(
                f"The fleet {self.name!r} runs Debian {self.suite} on {self.subnet}: take it down first "
                f"(`make down`), or give the other one another --name."
            )


def load(layout: Layout) -> State | None:
    """The record of this fleet; None if there is none."""
    try:
        return State(**json.loads((layout.directory / "state.json").read_text()))
    except FileNotFoundError:
        return None


def load_or_create(layout: Layout, suite: str) -> State:
    """The record of this fleet, begun if need be.

    Raises:
        FleetError: the fleet exists with another subnet or suite.
    """
    state = load(layout)
    if state is None:
        # The bridge is created with this address, which tells it from others' of the same name.
        mac = ":".join(["02", *(f"{octet:02x}" for octet in secrets.token_bytes(5))])
        state = State(layout.name, str(layout.subnet), suite, mac)
        state.save(layout)
    state.refuse_other(layout, suite)
    return state


def layout_of(name: str, subnet: str | None) -> Layout:
    """The fleet of a name; without a subnet with that of its record, or else the default one.

    Raises:
        FleetError: as ``make_layout``.
    """
    layout = make_layout(name, subnet or DEFAULT_SUBNET)
    record = load(layout)
    return layout if subnet or record is None else make_layout(name, record.subnet)


def every_layout() -> list[Layout]:
    """All fleets of this checkout, also one whose ``up`` was killed before it wrote its record."""
    names = {path.name.removesuffix(".lock") for path in _FLEETS.glob("*")}
    return [layout_of(name, None) for name in sorted(names)]


def every_record() -> list[State]:
    """The records of all fleets of this checkout."""
    return [record for layout in every_layout() if (record := load(layout)) is not None]


@contextlib.contextmanager
def locked(lock_file: Path) -> Iterator[None]:
    """Hold a fleet for oneself; the lock vanishes with the process.

    Raises:
        FleetError: another process works on it.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FleetError(f"Another up or down works on this fleet right now ({lock_file}).") from error
        if not lock_file.exists() or os.fstat(file.fileno()).st_ino != lock_file.stat().st_ino:
            raise FleetError("The fleet was taken down at this very moment: try again.")
        yield


@contextlib.contextmanager
def building(folder: Path) -> Iterator[None]:
    """Hold what all fleets of the checkout share, the image and the mirror's content; others wait."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
