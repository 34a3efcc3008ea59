"""Where things lie and what they are called: the names and addresses of one fleet."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from emulator.fleet.errors import FleetError

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / ".build"
MIRROR_PORT = 8080
MAX_HOSTS = 64
DEFAULT_SUBNET = "198.18.0.0/24"

# RFC 2544 keeps 198.18.0.0/15 for tests on isolated networks: it collides with nobody's LAN.
TEST_NETWORK = IPv4Network("198.18.0.0/15")


@dataclass(frozen=True)
class Layout:
    """The paths, names and addresses that follow from a fleet's name and subnet."""

    name: str
    subnet: IPv4Network

    @property
    def options(self) -> list[str]:
        """What tells ``python -m emulator.fleet`` which fleet is meant."""
        return ["--name", self.name, "--subnet", str(self.subnet)]

    @property
    def directory(self) -> Path:
        """Everything that belongs to the running fleet."""
        return REPOSITORY / ".fleet" / self.name

    @property
    def lock_file(self) -> Path:
        """Held while ``up`` or ``down`` works on this fleet; outlives the directory."""
        return REPOSITORY / ".fleet" / f"{self.name}.lock"

    @property
    def processes(self) -> Path:
        """Where the fleet's own processes write down who they are."""
        return self.directory / "processes"

    @property
    def private_key(self) -> Path:
        """The SSH key of this run."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The host keys of this run."""
        return self.directory / "known_hosts"

    @property
    def inventory(self) -> Path:
        """The Ansible inventory of the fleet: a folder, as ``ansible-playbook -i`` takes it."""
        return self.directory / "inventory"

    @property
    def bridge(self) -> str:
        """The network bridge that the hosts are plugged into."""
        return f"br-{self.name}"

    @property
    def nft_table(self) -> str:
        """The firewall table of this fleet."""
        return f"hailo_fleet_{self.name}"

    @property
    def gateway(self) -> IPv4Address:
        """This machine's own address on the bridge."""
        return self.subnet[1]

    @property
    def mirror_url(self) -> str:
        """Where the hosts find the vendor's archive, the model and hailo-apps."""
        return f"http://{self.gateway}:{MIRROR_PORT}"

    def host_name(self, number: int) -> str:
        """``pi01`` for 1."""
        return f"pi{number:02d}"

    def host_address(self, number: int) -> IPv4Address:
        """``198.18.0.11`` for 1 in the default subnet."""
        return self.subnet[10 + number]

    def host_directory(self, host: str) -> Path:
        """The overlay, the log and the address of one host."""
        return self.directory / "hosts" / host


def make_layout(name: str, subnet: str) -> Layout:
    """Check what was typed.

    Raises:
        FleetError: the name does not fit into an interface's name, or the subnet is no test network.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]{0,10}", name):
        raise FleetError(f"The fleet's name {name!r} must be 1 to 11 of a-z and 0-9 and begin with a letter.")
    try:
        network = IPv4Network(subnet)
    except ValueError as error:
        raise FleetError(f"{subnet!r} is no IPv4 network such as 198.18.0.0/24: {error}.") from error
    if network.prefixlen > 24 or not network.subnet_of(TEST_NETWORK):
        raise FleetError(f"The subnet {subnet} must be a /24 or larger inside {TEST_NETWORK}.")
    if any(character in str(REPOSITORY) for character in ":,\\ "):
        raise FleetError(f"Overlay mounts cannot name {REPOSITORY}: its path has ':', ',', '\\' or a space.")
    return Layout(name, network)
