"""One emulated Pi: an overlay over the image, its identity, and the container that boots it."""

import secrets
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from emulator.fleet import cgroup, machine, process
from emulator.fleet.console import run, say, warn
from emulator.fleet.errors import FleetError
from emulator.fleet.layout import Layout
from emulator.fleet.machine import booted_by_systemd, name_servers, unmount
from emulator.fleet.process import Process

SERVICE_PORT = 11435
REBOOT = 133  # systemd-nspawn's exit status when the container asked for a reboot
HALT = signal.SIGRTMIN + 4  # tells a container's systemd to power off; a plain SIGTERM would re-execute it


@dataclass(frozen=True)
class Host:
    """Where one host lies and how it is called."""

    layout: Layout
    name: str
    address: IPv4Address

    @property
    def url(self) -> str:
        """Its service, once it has been deployed to."""
        return f"http://{self.address}:{SERVICE_PORT}"

    @property
    def directory(self) -> Path:
        """Its overlay and its log."""
        return self.layout.host_directory(self.name)

    @property
    def root(self) -> Path:
        """Its root file system, when mounted."""
        return self.directory / "root"

    @property
    def upper(self) -> Path:
        """What it has that the image has not: its disk, so to say."""
        return self.directory / "upper"

    @property
    def base(self) -> Path:
        """A link to the disk that it had when it was new; there is none if that was the image alone."""
        return self.directory / "base"

    @property
    def process_file(self) -> Path:
        """Where its supervisor registers."""
        return self.layout.processes / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """Its console."""
        return self.directory / "console.log"

    @property
    def cgroup(self) -> str:
        """The name of its control group."""
        return f"hailo-fleet-{self.layout.name}-{self.name}"

    def supervisor(self) -> Process | None:
        """The process that boots it, and boots it again after a reboot."""
        return process.registered(self.process_file)


def of_number(layout: Layout, number: int) -> Host:
    """The host number 1, 2, ... of a fleet."""
    return Host(layout, layout.host_name(number), layout.host_address(number))


def create(host: Host, files: dict[str, str | bytes], base: Path | None) -> None:
    """Lay the host's own files over the image; a host that has them already is left as it is.

    Args:
        host: the host.
        files: path below the root to content; what the whole fleet has in common.
        base: the disk of another host of this image, which is powered off: what this one begins with.
    """
    finished = host.directory / "created"
    if finished.exists():
        return
    host.directory.mkdir(parents=True, exist_ok=True)
    host.base.unlink(missing_ok=True)
    if base is not None:
        host.base.symlink_to(base.resolve())
    for path, content in (_identity(host) | files).items():
        target = host.upper / path
        _make_parents(host.upper, target)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    ssh = host.upper / "etc/ssh"
    _make_parents(host.upper, ssh / "ssh_host_ed25519_key")
    for kind in ("ed25519", "ecdsa"):
        (ssh / f"ssh_host_{kind}_key").unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", host.name, "-f", ssh / f"ssh_host_{kind}_key"])
    keys = host.upper / "home/pi/.ssh/authorized_keys"
    _make_parents(host.upper, keys)
    keys.write_text(host.layout.private_key.with_suffix(".pub").read_text())
    keys.chmod(0o600)
    run(["chown", "-R", "1000:1000", host.upper / "home/pi"])
    keys.parent.chmod(0o700)
    finished.touch()


def _make_parents(upper: Path, target: Path) -> None:
    """A folder of the upper layer replaces the image's in owner and mode: root and 0755, unless set later."""
    for parent in reversed(target.relative_to(upper).parents):
        directory = upper / parent
        if not directory.exists():
            directory.mkdir(parents=True)
            directory.chmod(0o755)


def _identity(host: Host) -> dict[str, str | bytes]:
    layout = host.layout
    return {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n",
        "etc/machine-id": f"{secrets.token_hex(16)}\n",
        "etc/resolv.conf": name_servers(),
        "etc/systemd/network/10-host0.network": (
            f"[Match]\nName=host0\n\n[Network]\nAddress={host.address}/{layout.subnet.prefixlen}\n"
            f"Gateway={layout.gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        ),
    }


def host_key_line(host: Host) -> str:
    """Its line for known_hosts."""
    return f"{host.address} {(host.upper / 'etc/ssh/ssh_host_ed25519_key.pub').read_text().strip()}\n"


def boot(host: Host, image: Path) -> None:
    """Mount the overlay and start the supervisor; a host that runs is left alone.

    Raises:
        FleetError: the mount or the supervisor failed.
    """
    if host.supervisor() is not None and leader(host) is not None:
        return
    stop(host)
    for directory in (host.root, host.upper, host.directory / "work"):
        directory.mkdir(parents=True, exist_ok=True)
    # Volatile: no write waits for the disk, as the host is thrown away anyway. The mark that such a mount
    # leaves refuses the next one.
    machine.delete_tree(host.directory / "work" / "work" / "incompat")
    lower = f"{host.base.readlink()}:{image}" if host.base.is_symlink() else image
    options = f"lowerdir={lower},upperdir={host.upper},workdir={host.directory / 'work'},volatile"
    run(["mount", "-t", "overlay", f"hailo-fleet-{host.layout.name}", "-o", options, host.root])
    process.start(_supervise_arguments(host), host.process_file, host.log)


def _supervise_arguments(host: Host) -> list[str]:
    layout = host.layout
    number = int(host.address) - int(layout.host_address(0))
    return [*layout.options, "supervise", str(number)]


def machine_name(host: Host) -> str:
    """What systemd-nspawn calls the container; unlike the host name unique on this machine."""
    return f"{host.layout.name}-{host.name}"


def supervise(host: Host) -> int:
    """Run the container until it powers off; boot it again when it reboots.  Runs in a process of its own."""
    process.register(host.process_file)
    cgroup.enter(host.cgroup)
    command = ["systemd-nspawn", "--quiet", "--boot", f"--directory={host.root}"]
    command += [f"--machine={machine_name(host)}", f"--hostname={host.name}"]
    command += [f"--network-bridge={host.layout.bridge}", "--console=passive", "--register=no"]
    command += ["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--settings=no"]
    if not booted_by_systemd():
        command.append("--keep-unit")  # there is no systemd that could give the container a scope of its own
    while True:
        print(f"--- boot of {host.name}", flush=True)
        status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
        if status != REBOOT or not host.process_file.exists():
            return status


def leader(host: Host) -> Process | None:
    """The systemd of the container: PID 1 of its namespace, known by the overlay that is its root."""
    mark = f"upperdir={host.upper},"
    for pid in process.everyone():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            namespaced = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
            if len(namespaced) < 2 or namespaced[-1] != "1":
                continue
            mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
        except (OSError, StopIteration):
            continue
        if any(line.split()[4] == "/" and mark in line for line in mounts):
            return process.of_pid(pid)
    return None


def stop(host: Host) -> None:
    """Power the host off and unmount it; safe at any time, also when it does not run.

    Raises:
        FleetError: it could not be unmounted.
    """
    supervisor = host.supervisor()
    running = leader(host)
    if running is not None:
        running.send(HALT)
        if not running.wait(20):
            warn(f"{host.name} did not power off in 20 s and is killed")
            running.send(signal.SIGKILL)  # the kernel ends the whole namespace with its first process
            running.wait(10)
    if supervisor is not None and not supervisor.wait(5):
        _stop_starting(host, supervisor)
    unmount(host.directory)
    cgroup.remove(host.cgroup)
    for leftover in ("propagate", "unix-export"):
        # systemd-nspawn removes these itself unless it was killed.
        directory = Path("/run/systemd/nspawn") / leftover / machine_name(host)
        unmount(directory)
        machine.delete_tree(directory)


def _stop_starting(host: Host, supervisor: Process) -> None:
    """End a supervisor that is between two boots, and what it may just have booted."""
    children = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children")
    nspawn = [process.of_pid(int(pid)) for pid in children.read_text().split()] if supervisor.alive() else []
    supervisor.send(signal.SIGKILL)
    for child in nspawn:
        if child is not None:
            child.stop()
    if (late := leader(host)) is not None:
        late.send(signal.SIGKILL)
        late.wait(10)


def stop_all(hosts: list[Host]) -> None:
    """Power several hosts off at once."""
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        list(pool.map(stop, hosts))


def ssh_command(host: Host) -> list[str]:
    """The ssh command that reaches a host with the fleet's own key and known hosts."""
    return [
        "ssh", "-i", str(host.layout.private_key), "-o", f"UserKnownHostsFile={host.layout.known_hosts}",
        "-o", "IdentitiesOnly=yes", f"pi@{host.address}",
    ]  # fmt: skip


def wait_ready(host: Host, seconds: float = 90.0) -> None:
    """Wait until the host answers over SSH and has finished booting.

    Raises:
        FleetError: it did not, in that time.
    """
    command = ssh_command(host)
    command[1:1] = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=3"]
    limit = time.monotonic() + seconds
    said = ""
    while time.monotonic() < limit:
        result = subprocess.run(
            [*command, "systemctl is-system-running --wait"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        said = (result.stdout or result.stderr).strip()
        if said == "running":
            say(f"{host.name} is up at {host.address}")
            return
        if said == "degraded":
            failed = run([*command, "systemctl --failed --plain --no-legend"])
            warn(f"{host.name} is up at {host.address}, but a unit failed there: {failed.strip()}")
            return
        if host.supervisor() is None:
            raise FleetError(f"{host.name} stopped while booting; its console: {host.log}")
        time.sleep(0.3)
    raise FleetError(f"{host.name} did not answer over SSH in {seconds:.0f} s ({said}); see {host.log}")
