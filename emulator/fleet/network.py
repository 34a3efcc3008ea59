"""The bridge, the way out, and how both are taken back."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from emulator.fleet.console import run, succeeds
from emulator.fleet.errors import FleetError
from emulator.fleet.layout import REPOSITORY, TEST_NETWORK, Layout

# Shared by all fleets of the machine, whatever their checkout; a reboot undoes it and forwarding alike.
_FORWARDING = Path("/run/hailo-fleet")
_SWITCH = Path("/proc/sys/net/ipv4/ip_forward")


def ensure(layout: Layout, mac: str) -> None:
    """Make the bridge with this machine's address, the masquerade rule, and switch forwarding on.

    Raises:
        FleetError: a bridge of that name or an address in the subnet belongs to something else.
    """
    _ensure_bridge(layout, mac)
    _ensure_table(layout)
    _take_forwarding(layout.bridge)


def remove(layout: Layout, mac: str) -> None:
    """Take back what ``ensure`` made; what is not there is passed over."""
    if succeeds(["nft", "list", "table", "ip", layout.nft_table]):
        run(["nft", "delete", "table", "ip", layout.nft_table])
    if _bridge_mac(layout.bridge) == mac:
        run(["ip", "link", "delete", layout.bridge])
    _release_forwarding(layout.bridge)


def _bridge_mac(bridge: str) -> str | None:
    """Its address; None if it is not there, or goes while it is looked at (EINVAL, ENODEV)."""
    try:
        return Path(f"/sys/class/net/{bridge}/address").read_text().strip()
    except OSError:
        return None


def _ensure_bridge(layout: Layout, mac: str) -> None:
    refuse_taken(layout, mac)
    if not has_bridge(layout):
        run(["ip", "link", "add", layout.bridge, "address", mac, "type", "bridge"])
    run(["ip", "address", "replace", f"{layout.gateway}/{layout.subnet.prefixlen}", "dev", layout.bridge])
    run(["ip", "link", "set", layout.bridge, "up"])


def has_bridge(layout: Layout) -> bool:
    """Whether an interface of the bridge's name is there."""
    return _bridge_mac(layout.bridge) is not None


def refuse_taken(layout: Layout, mac: str | None) -> None:
    """See that the bridge's name and the subnet are free, or this fleet's own already.

    Args:
        layout: the fleet.
        mac: its bridge's address; None if it has never had a bridge.

    Raises:
        FleetError: who has them, and how to go round that.
    """
    present = _bridge_mac(layout.bridge)
    if present is not None and present == mac:
        return
    owner = _FORWARDING / f"bridge-{layout.bridge}"
    if present is not None and owner.exists():
        raise FleetError(
            f"Emulated Pis of another checkout are up: `make -C {owner.read_text()} down` removes them "
            f"(or, if that folder is gone, a restart of this machine)."
        )
    if present is not None:
        raise FleetError(
            f"This machine has an interface {layout.bridge} that this fleet did not make: `ip link delete "
            f"{layout.bridge}` if nothing needs it."
        )
    for user, network in _networks():
        if network.overlaps(layout.subnet) and network.prefixlen >= TEST_NETWORK.prefixlen:
            raise FleetError(
                f"The network {layout.subnet} is in use already: {user} has {network}. Choose another one of "
                f"{TEST_NETWORK}, such as `make up SUBNET=198.19.77.0/24`."
            )


def _networks() -> Iterator[tuple[str, IPv4Network]]:
    """Every network that this machine has an address in or a route to, with the interface."""
    for link in json.loads(run(["ip", "-json", "-4", "address", "show"])):
        for address in link.get("addr_info", []):
            yield link["ifname"], IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
    for route in json.loads(run(["ip", "-json", "-4", "route", "show"])):
        if route["dst"] != "default":
            yield route.get("dev", "a route"), IPv4Network(route["dst"])


def _ensure_table(layout: Layout) -> None:
    """One transaction: the table is there wholly or not at all, and a second call changes nothing."""
    run(
        ["nft", "-f", "-"],
        text=f"""
        table ip {layout.nft_table}
        delete table ip {layout.nft_table}
        table ip {layout.nft_table} {{
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                ip saddr {layout.subnet} ip daddr != {layout.subnet} masquerade
            }}
        }}
        """,
    )


@contextlib.contextmanager
def _forwarding_book() -> Iterator[Path]:
    """The machine-wide list of bridges that need forwarding, held for oneself."""
    while True:
        _FORWARDING.mkdir(exist_ok=True)
        with (_FORWARDING / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (_FORWARDING / "lock").exists():
                continue  # the last fleet left while this one waited, and took the book with it
            yield _FORWARDING
            return


def _take_forwarding(bridge: str) -> None:
    with _forwarding_book() as book:
        if not (book / "before").exists():
            (book / "before").write_text(_SWITCH.read_text())
        (book / f"bridge-{bridge}").write_text(str(REPOSITORY))
        if _SWITCH.read_text().strip() != "1":
            _SWITCH.write_text("1")


def _release_forwarding(bridge: str) -> None:
    """The last fleet to go puts the switch back to what the first one found."""
    if not _FORWARDING.exists():
        return
    with _forwarding_book() as book:
        for user in book.glob("bridge-*"):
            name = user.name.removeprefix("bridge-")
            if name == bridge or _bridge_mac(name) is None:
                user.unlink()
        if not any(book.glob("bridge-*")):
            if (book / "before").exists():
                if _SWITCH.read_text() != (before := (book / "before").read_text()):
                    _SWITCH.write_text(before)
                (book / "before").unlink()
            (book / "lock").unlink()
            book.rmdir()
