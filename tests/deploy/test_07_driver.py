"""Versions, holds and boot settings of the driver; what is wrong with a host, before it is touched."""

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from emulator.packages import deb
from emulator.packages.catalogue import Package
from tests.deploy.conftest import Pi, changes, limit, playbook

BOOT = "/boot/firmware"
CONFIG = ["dtparam=pciex1_gen=3", "dtoverlay=cma,cma-512"]
SETTINGS = {
    "hailo_driver_version": "5.1.0",
    "hailo_driver_allow_downgrade": True,
    "hailo_driver_packages": ["hailo-h10-all"],
    "hailo_driver_boot_config": CONFIG,
    "hailo_driver_boot_cmdline": ["cgroup_enable=memory", "pcie_aspm=off", "rootwait"],
}
HELD = ["h10-hailort", "h10-hailort-pcie-driver", "linux-headers-rpi-2712", "python3-h10-hailort"]
VERSIONS = f"dpkg-query --show --showformat='${{Version}} ' {' '.join(HELD[:2] + HELD[3:])}"


@pytest.fixture(scope="module")
def pi(pis: list[Pi]) -> Pi:
    """The second host: the first one's service goes on."""
    pis[1].wait_ready()
    return pis[1]


def refused(pi: Pi, **variables: object) -> str:
    """Run site.yml with settings that it must refuse before it changes anything; what it says."""
    result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", json.dumps(variables))
    assert result.returncode != 0
    assert changes(result, pi) == 0
    return result.stdout


def test_kernel_and_driver_are_held(pi: Pi) -> None:
    assert pi.run("apt-mark showhold").split() == HELD


def test_everything_that_is_wrong_is_told_at_once(pi: Pi) -> None:
    """Another chip, headers of a kernel that does not run, and settings that can't be."""
    pi.run("mkdir -p /lib/modules/99.0-$(uname -r | cut -d- -f2-)/build; mv /dev/hailo0 /dev/hidden0")
    pi.run("mount -t tmpfs none /sys/bus/pci/devices; mkdir /sys/bus/pci/devices/x")
    pi.run("cd /sys/bus/pci/devices/x; echo 0x1e60 > vendor; echo 0x2864 > device")
    try:
        said = refused(
            pi,
            hailo_driver_version="5.1.0",
            hailo_driver_boot_config=["two\nlines"],
            hailo_driver_boot_cmdline=["cma=512M"],
        )
    finally:
        pi.run("umount /sys/bus/pci/devices; rm -r /lib/modules/99.0-*; mv /dev/hidden0 /dev/hailo0")
    for part in (
        "and the headers are of 99.0-",
        "1e60:2864, which is another chip of Hailo",
        "hailo_driver_version asks for the older 5.1.0",
        r"two\\nlines",
        "cma=512M",
    ):
        assert part in said, part


def test_a_version_that_no_archive_has_is_refused(pi: Pi) -> None:
    said = refused(pi, hailo_driver_version="9.9.9")
    assert f"archives of {pi.name} have no release 9.9.9" in said
    assert "h10-hailort=5.1.0, h10-hailort=5.1.1" in said


def test_what_will_make_trouble_is_told_at_the_end_and_changes_nothing(pi: Pi) -> None:
    pi.run("printf '#!/bin/sh\\necho throttled=0x50005\\n' > /usr/bin/vcgencmd; chmod +x /usr/bin/vcgencmd")
    pi.run("sed '/^memory/s/1$/0/' /proc/cgroups > /run/cgroups; mount --bind /run/cgroups /proc/cgroups")
    pi.run("mkdir -p /lib/modules/99.0-$(uname -r | cut -d- -f2-)")
    try:
        result = playbook("site.yml", "--limit", limit(pi))
    finally:
        pi.run("umount /proc/cgroups; rm -r /usr/bin/vcgencmd /lib/modules/99.0-*")
    assert result.returncode == 0, result.stdout[-3000:]
    assert changes(result, pi) == 0
    summary = result.stdout.partition("PLAY [Sum up]")[2]
    assert summary.count(f"WARNING: {pi.name}: ") == 3
    assert "too low a voltage now, throttling now" in summary
    assert "hailo_driver_boot_cmdline: [cgroup_enable=memory]" in summary
    assert "without its headers" in summary


def test_firmware_of_another_version_is_named(pi: Pi) -> None:
    pi.run("cp /etc/hailo-emulator.toml /root/; systemctl stop hailo-vision.service")
    pi.run("printf '[faults]\\nfirmware_version = \"5.2.0\"\\n' >> /etc/hailo-emulator.toml")
    try:
        result = playbook("site.yml", "--limit", limit(pi))
    finally:
        pi.run("mv /root/hailo-emulator.toml /etc/; systemctl start hailo-vision.service")
    assert result.returncode != 0
    assert f"{pi.name} has HailoRT 5.1.1, firmware 5.2.0, driver 5.1.1, and all" in result.stdout


ARCHIVE = "/srv/archive"
UNBUILDABLE = """#!/bin/sh
mkdir -p /var/lib/dkms/hailo1x_pci/5.9.0/build
echo "error: too few arguments to function 'del_timer_sync'" > /var/lib/dkms/hailo1x_pci/5.9.0/build/make.log
exit 10
"""


def new_driver(pi: Pi, folder: Path, script: str) -> None:
    """Give a host an archive with a newer driver, which brings no device; and what it runs when installed."""

    def fill(root: Path) -> None:
        (root / "DEBIAN/postinst").write_text(script)
        (root / "DEBIAN/postinst").chmod(0o755)

    package = Package("h10-hailort-pcie-driver", "5.9.0", "a driver", depends="dkms", fill=fill)
    file = deb.build(package, folder)
    data = file.read_bytes()
    entry = f"Filename: ./{file.name}\nSize: {len(data)}\nSHA256: {sha256(data).hexdigest()}\n"
    copy = f"base64 --decode > {ARCHIVE}/{file.name} <<'END'\n{b64encode(data).decode()}\nEND"
    pi.run(f"mkdir -p {ARCHIVE}; {copy}")
    pi.run(f"cat > {ARCHIVE}/Packages <<'END'\n{package.control()}{entry}END")
    pi.run(f"echo 'deb [trusted=yes] file:{ARCHIVE} ./' > /etc/apt/sources.list.d/archive.list")


@pytest.fixture
def archive(pi: Pi) -> Iterator[None]:
    """Without the archive in the end, and without what its driver has left."""
    yield
    pi.run(f"rm -r {ARCHIVE} /etc/apt/sources.list.d/archive.list; rm -rf /var/lib/dkms/hailo1x_pci/5.9.0")
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    pi.wait_ready()


@pytest.mark.usefixtures("archive")
def test_a_driver_that_does_not_build_is_taken_back_with_the_end_of_its_log(pi: Pi, tmp_path: Path) -> None:
    before, process = pi.run(VERSIONS), pi.property("MainPID")
    new_driver(pi, tmp_path, UNBUILDABLE)
    result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", "hailo_driver_upgrade=true")
    assert result.returncode != 0
    told = " ".join(result.stdout.split())
    assert f"The driver does not build for the kernel {pi.run('uname -r')}" in told
    assert "too few arguments to function" in told
    assert "hailo_driver_version" in told
    assert "The host went back to h10-hailort-pcie-driver=5.1.1." in told
    assert pi.run("dpkg --audit") == ""
    assert pi.run("apt-get check --quiet=2") == ""
    assert pi.run(VERSIONS) == before
    assert set(HELD) <= set(pi.run("apt-mark showhold").split())
    assert pi.property("MainPID") == process
    assert pi.ask("coffee.jpg")


@pytest.mark.usefixtures("archive")
def test_a_driver_whose_former_version_no_archive_has_any_more_is_removed_and_said(
    pi: Pi, tmp_path: Path
) -> None:
    new_driver(pi, tmp_path, UNBUILDABLE)
    pi.run("mv /etc/apt/sources.list.d /root/sources; mkdir /etc/apt/sources.list.d")
    pi.run("mv /root/sources/archive.list /etc/apt/sources.list.d")
    try:
        settings = "hailo_driver_upgrade=true"
        result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", settings)
    finally:
        pi.run("cp /root/sources/* /etc/apt/sources.list.d; rm -r /root/sources")
    assert result.returncode != 0
    told = " ".join(result.stdout.split())
    assert "h10-hailort-pcie-driver had to be removed, as no archive has the former version." in told
    assert pi.run("dpkg --audit") == ""
    assert pi.ask("coffee.jpg")


@pytest.mark.usefixtures("archive")
def test_a_driver_that_brings_up_no_device_is_taken_back_with_a_reboot(pi: Pi, tmp_path: Path) -> None:
    before = pi.run(VERSIONS)
    new_driver(pi, tmp_path, "#!/bin/sh\n")
    settings = "hailo_driver_upgrade=true hailo_driver_device_timeout=3"
    result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", settings)
    assert result.returncode != 0
    told = " ".join(result.stdout.split())
    assert f"{pi.name} has the driver but no /dev/hailo0" in told
    assert "The host went back to h10-hailort-pcie-driver 5.1.1." in told
    assert pi.run(VERSIONS) == before
    pi.wait_ready()
    assert pi.ask("coffee.jpg")


def test_updates_that_wait_behind_the_hold_are_told_by_every_run(pi: Pi, tmp_path: Path) -> None:
    new_driver(pi, tmp_path, "#!/bin/sh\n")
    try:
        pi.run("apt-get update --quiet=2")
        result = playbook("site.yml", "--limit", limit(pi))
    finally:
        pi.run(f"rm -r {ARCHIVE} /etc/apt/sources.list.d/archive.list; apt-get update --quiet=2")
    assert result.returncode == 0, result.stdout[-3000:]
    assert changes(result, pi) == 0
    summary = " ".join(result.stdout.partition("PLAY [Sum up]")[2].split())
    assert f"WARNING: {pi.name}: updates wait, those for security, too" in summary
    assert "h10-hailort-pcie-driver 5.9.0" in summary


@pytest.fixture(scope="module")
def settled(pi: Pi) -> Iterator[Pi]:
    """The host with another version, other packages and boot settings; in the end as it was."""
    pi.run("apt-get -qq update; apt-get -qq install -y linux-image-rpi-2712; apt-mark hold openssh-server")
    before = pi.run(f"cat {BOOT}/*")
    result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", json.dumps(SETTINGS))
    assert result.returncode == 0, result.stdout[-3000:]
    assert "WARNING" not in result.stdout
    yield pi
    result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", "hailo_driver_upgrade=true")
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.run(f"cat {BOOT}/*") == before
    assert "pcie_aspm" not in pi.run("cat /proc/cmdline")
    assert pi.run(VERSIONS) == "5.1.1 5.1.1 5.1.1-1"
    held = {*HELD, "linux-image-rpi-2712", "hailo-h10-all", "openssh-server"}
    assert held <= set(pi.run("apt-mark showhold").split())
    pi.run("apt-mark unhold openssh-server")
    pi.wait_ready()


def test_another_version_is_installed_with_its_model_and_stays(settled: Pi) -> None:
    assert settled.run(VERSIONS) == "5.1.0 5.1.0 5.1.0-1"
    settled.run("dpkg --status hailo-tappas-core")
    assert settled.health()["versions"]["hailort"] == "5.1.0"
    assert settled.ask("coffee.jpg")
    kept = settled.run("apt-get --simulate upgrade")
    assert "h10-hailort-pcie-driver" in kept.partition("kept back:")[2]
    assert "Inst " not in kept


def test_boot_settings_are_in_force_once_and_a_second_run_changes_nothing(settled: Pi) -> None:
    config = settled.run(f"cat {BOOT}/config.txt").splitlines()
    assert config[-4:-1] == ["[all]", *CONFIG]
    words = settled.run("cat /proc/cmdline").split()
    assert [words.count(word) for word in ("cgroup_enable=memory", "pcie_aspm=off", "rootwait")] == [1, 1, 1]
    again = playbook("site.yml", "--limit", limit(settled), "--extra-vars", json.dumps(SETTINGS))
    assert again.returncode == 0, again.stdout[-3000:]
    assert changes(again, settled) == 0


def test_an_operator_takes_driver_runtime_and_model_back_and_forth(settled: Pi) -> None:
    for expected in ("5.1.1", "5.1.0"):
        result = playbook("rollback.yml", "--limit", limit(settled))
        assert result.returncode == 0, result.stdout[-3000:]
        assert settled.run(VERSIONS) == f"{expected} {expected} {expected}-1"
        settled.wait_ready(5)
        assert settled.health()["versions"]["hailort"] == expected
        assert settled.ask("coffee.jpg")
