"""What `make up` says on a machine where something is missing: the cure, before anything is made (root).

Each test takes something away from the real command, in namespaces that vanish with it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which nothing has been built."""
    folder = tmp_path_factory.mktemp("checkout")
    for package in ("fleet", "packages"):
        shutil.copytree(TOP / "emulator" / package, folder / "emulator" / package)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """A clone in which an image has been built: nothing has to be downloaded."""
    folder = tmp_path_factory.mktemp("built") / "checkout"
    shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".build"))
    find = "from emulator.fleet.rootfs import path; path('trixie').mkdir(parents=True)"
    subprocess.run([sys.executable, "-c", find], cwd=folder, check=True)
    return folder


def refused(checkout: Path, *words: str, before: str = "", inside: str = "") -> str:
    """What ``check`` says where it must refuse.

    Args:
        checkout: where it runs.
        words: its options.
        before: shell commands in the namespaces before it.
        inside: the command line that makes the namespaces or takes rights away.
    """
    command = [sys.executable, "-m", "emulator.fleet", "--name", "preflight", "check", *words]
    script = f'set -eu; {before}\nexec "$@"'
    done = subprocess.run(
        [*inside.split(), "sh", "-c", script, "sh", *command],
        cwd=checkout, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("emulator.fleet: ")
    assert done.stderr.count("\n") == 1
    assert not [*checkout.glob(".fleet"), *checkout.glob(".build/preflight-*")]
    return done.stderr


def test_root(checkout: Path) -> None:
    assert "sudo" in refused(checkout, inside="unshare --user")


@pytest.mark.parametrize("hosts", ["0", "-1", "300", "abc", "1.5", ""])
def test_the_number_of_hosts(hosts: str, checkout: Path) -> None:
    assert "HOSTS (--hosts) must be a whole number" in refused(checkout, f"--hosts={hosts}")


def test_the_suite(checkout: Path) -> None:
    assert "SUITE (--suite) must be trixie or bookworm, not 'sid'" in refused(checkout, "--suite=sid")


def test_programs_where_there_is_no_apt(checkout: Path) -> None:
    said = refused(checkout, before="PATH=/usr/sbin")
    assert "systemd-nspawn" in said
    assert "systemd-container" in said


def test_disk(checkout: Path) -> None:
    small = f"mount -t tmpfs -o size=90M tmpfs {checkout}/.build"
    (checkout / ".build").mkdir(exist_ok=True)
    disk = f"cp -r emulator {checkout}/.build/ && cd {checkout}/.build"
    said = refused(checkout, before=f"{small}; {disk}", inside="unshare --mount")
    assert "MB of free disk space" in said
    assert "fewer HOSTS" in said


def test_memory(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemAvailable: 700000 kB\n")
    hide = f"mount --bind {tmp_path}/meminfo /proc/meminfo"
    said = refused(checkout, before=hide, inside="unshare --mount")
    assert "716 MB of memory are available" in said


def test_name_servers(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    hide = f"mount --bind {tmp_path}/resolv.conf /etc/resolv.conf; mount -t tmpfs tmpfs /run"
    assert "nameserver ADDRESS" in refused(checkout, before=hide, inside="unshare --mount")


def test_the_internet(checkout: Path) -> None:
    said = refused(checkout, inside="unshare --net")
    assert "http://deb.debian.org" in said
    assert "http_proxy" in said


@pytest.mark.parametrize("missing", ["sys_admin", "net_admin"])
def test_rights(missing: str, built: Path) -> None:
    said = refused(built, inside=f"setpriv --bounding-set=-{missing} --inh-caps=-{missing}")
    assert "docker run --privileged" in said


def test_control_groups(built: Path) -> None:
    hide = "umount -l /sys/fs/cgroup; mount -t tmpfs tmpfs /run"
    said = refused(built, before=hide, inside="unshare --mount")
    assert "No cgroup hierarchy" in said


@pytest.mark.parametrize(
    "use",
    [
        "ip address add 198.18.0.200/32 dev fake0",
        "ip address add 198.18.44.1/16 dev fake0",
        "ip link set fake0 up; ip route add 198.18.0.0/25 dev fake0",
    ],
)
def test_a_network_in_use(use: str, built: Path) -> None:
    said = refused(built, before=f"ip link add name fake0 type bridge; {use}", inside="unshare --net")
    assert "198.18.0.0/24 is in use already: fake0 has 198.18." in said
    assert "make up SUBNET=" in said


# /sys shows the interfaces of the namespace that it was mounted in, and has the control groups below it.
BRIDGE = """
    mount --rbind /sys/fs/cgroup /mnt; mount -t sysfs sysfs /sys; mount --rbind /mnt /sys/fs/cgroup
    mount -t tmpfs tmpfs /run; ip link add br-preflight type bridge
"""


def test_another_checkout(built: Path) -> None:
    owner = "mkdir /run/hailo-fleet; printf /srv/other >/run/hailo-fleet/bridge-br-preflight"
    said = refused(built, before=BRIDGE + owner, inside="unshare --net --mount")
    assert "`make -C /srv/other down`" in said


def test_an_interface_of_the_name(built: Path) -> None:
    assert "ip link delete br-preflight" in refused(built, before=BRIDGE, inside="unshare --net --mount")


def test_the_port_of_the_mirror(built: Path) -> None:
    listen = "import socket, time; s = socket.create_server(('', 8080)); print(flush=True); time.sleep(60)"
    listener = f'mkfifo $$; {sys.executable} -c "{listen}" >$$ & read -r _ <$$; rm $$'
    said = refused(built, before=listener, inside="unshare --net --pid --fork --kill-child")
    assert "Port 8080 is taken" in said


def test_everything_there(built: Path) -> None:
    """What is refused above is refused for that reason: without it the same machine will do."""
    command = [sys.executable, "-m", "emulator.fleet", "--name", "preflight", "check", "--hosts=1"]
    command = ["unshare", "--net", *command]
    done = subprocess.run(command, cwd=built, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "This machine has what HOSTS=1 needs" in done.stdout
