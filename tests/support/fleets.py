"""Names and networks of the fleets that the tests boot: two checkouts on one machine do not meet."""

import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

# /24 networks of 198.18.0.0/15 after those that people are likely to use by hand.
_FIRST, _COUNT = 16, 120
_PLACE = zlib.crc32(str(TOP).encode()) % _COUNT


@dataclass(frozen=True)
class Fleet:
    """A fleet of this checkout's own."""

    name: str
    network: IPv4Network

    @property
    def directory(self) -> Path:
        """Its inventory, keys and hosts."""
        return TOP / ".fleet" / self.name

    @property
    def options(self) -> list[str]:
        """What tells ``python -m emulator.fleet`` which fleet is meant."""
        return ["--name", self.name, "--subnet", str(self.network)]

    @property
    def mirror(self) -> str:
        """Where its hosts find what real ones fetch from the internet."""
        return f"http://{self.network[1]}:8080"

    def address(self, number: int) -> IPv4Address:
        """Where host ``number``, from 1, is reached."""
        return self.network[10 + number]


def _fleet(kind: str, number: int) -> Fleet:
    network = IPv4Network((int(IPv4Address("198.18.0.0")) + 256 * (_FIRST + 4 * _PLACE + number), 24))
    return Fleet(f"{kind}{_PLACE:03}", network)


SCENARIO = _fleet("test", 0)
CRASH = _fleet("crash", 1)
BENCH = _fleet("bench", 2)
BOOKWORM = _fleet("bookworm", 3)
