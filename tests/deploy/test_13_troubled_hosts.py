"""Hosts in trouble that is none of ours: told at once with cause and cure, or mended."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.fleets import SCENARIO

from tests.deploy.conftest import Pi, changes, limit, playbook

SERVING = "systemctl show --property=MainPID hailo-vision.service"


def said(pi: Pi, *arguments: str) -> str:
    """What a run says when it fails, which must not disturb what serves."""
    before = pi.run(SERVING)
    result = playbook("site.yml", "--limit", limit(pi), *arguments)
    assert result.returncode != 0
    assert pi.run(SERVING) == before
    return result.stdout


@contextmanager
def another_apt(pi: Pi, lock: str) -> Iterator[None]:
    """A program that has one of apt's locks and does not end."""
    program = f"""
import fcntl, os, time
lock = open("{lock}", "a")
fcntl.lockf(lock, fcntl.LOCK_EX)
os.system("systemd-notify --ready")
time.sleep(3600)
"""
    options = "--unit=other-apt --service-type=notify --property=NotifyAccess=all"
    pi.run(f"systemd-run {options} python3 -c '{program}'")
    try:
        yield
    finally:
        pi.run("systemctl stop other-apt.service")


def test_an_apt_source_that_does_not_answer_is_named(pi: Pi) -> None:
    source = "/etc/apt/sources.list.d/broken.list"
    pi.run(f"echo 'deb [trusted=yes] http://127.0.0.1:9/nowhere stable main' > {source}")
    try:
        begun = time.monotonic()
        told = said(pi, "--extra-vars", "hailo_driver_upgrade=true")
        assert time.monotonic() - begun < 60
    finally:
        pi.run(f"rm {source}")
    assert f"{pi.name} can't read the lists of all its apt sources:" in told
    assert "http://127.0.0.1:9/nowhere" in told
    assert "Mend or remove that source" in told


def test_a_broken_database_of_dpkg_is_not_taken_for_a_host_without_packages(pi: Pi) -> None:
    status = "/var/lib/dpkg/status"
    pi.run(f"cp {status} /root/status && echo garbage > {status} && cat /root/status >> {status}")
    try:
        told = said(pi)
    finally:
        pi.run(f"mv /root/status {status}")
    assert "dpkg can't read its database: " in told
    assert "/var/lib/dpkg/status-old" in told


def test_what_dpkg_was_interrupted_in_is_finished(pi: Pi) -> None:
    """As after a loss of power: apt refuses to work until somebody runs dpkg."""
    pi.run("dpkg-query --status less > /var/lib/dpkg/updates/0000")
    with another_apt(pi, "/var/lib/dpkg/lock-frontend"):
        told = said(pi, "--extra-vars", "__hailo_driver_patience=5")
    assert f"dpkg of {pi.name} can't finish what it was interrupted in: " in told
    assert "Run again when the program with that number is done." in told
    assert pi.run("apt-get check >/dev/null 2>&1 || echo refused") == "refused"
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    # Besides it, the first whole run after tests with other settings sets those right.
    assert changes(result, pi) >= 1
    assert pi.run("apt-get check >/dev/null 2>&1 || echo refused") == ""


@pytest.mark.parametrize(
    ("lock", "named"),
    [
        ("/var/lib/apt/lists/lock", "can't read the lists of all its apt sources:"),
        ("/var/cache/apt/archives/lock", "apt refused "),
    ],
)
def test_another_apt_that_does_not_end_is_named(pi: Pi, lock: str, named: str) -> None:
    with another_apt(pi, lock):
        told = said(pi, "--extra-vars", "hailo_driver_upgrade=true __hailo_driver_patience=2")
    assert f"{pi.name}" in told
    assert named in told
    assert f"Could not get lock {lock}" in told
    assert "Another program has held " in told


def test_a_user_without_rights_is_told_what_is_needed(pi: Pi) -> None:
    pi.run(
        "useradd --create-home few; cp --recursive /home/pi/.ssh /home/few; chown --recursive few: /home/few"
    )
    try:
        told = said(pi, "--extra-vars", "ansible_user=few")
    finally:
        pi.run("userdel --force --remove few")
    assert f"{pi.name} can't be looked at: " in told
    assert "sudo usermod --append --groups sudo USER" in told


def test_a_host_without_python_is_told_of(pi: Pi) -> None:
    pi.run("mv /usr/bin/python3 /usr/bin/python3-away")
    try:
        told = said(pi)
    finally:
        pi.run("mv /usr/bin/python3-away /usr/bin/python3")
    assert f"{pi.name} can't be looked at: " in told
    assert "sudo apt install python3" in told


def test_a_full_boot_partition_is_told_before_anything_is_changed(pi: Pi) -> None:
    """Nothing waits for a boot that has nothing to bring."""
    boot = "/boot/firmware"
    pi.run(f"mount -t tmpfs -o size=64k full /mnt && cp {boot}/* /mnt && mount --bind /mnt {boot}")
    try:
        told = said(pi, "--extra-vars", json.dumps({"hailo_driver_boot_cmdline": ["pcie_aspm=off"]}))
        assert "pcie_aspm" not in pi.run(f"cat {boot}/*")
    finally:
        pi.run(f"umount {boot} /mnt")
    assert f"{pi.name} can't be deployed to: {boot} is full, or mounted read-only." in told
    assert "pcie_aspm" not in pi.run("cat /var/lib/hailo-driver/boot.json 2>/dev/null", check=False)


def test_a_disk_without_room_for_hailo_apps(pi: Pi) -> None:
    vendor = "/opt/hailo-vision/vendor"
    pi.run(f"""
        mount -t tmpfs -o mode=0755,size=64k full /mnt
        mount --bind /mnt {vendor}
        cat /dev/zero > {vendor}/zero || true
    """)
    try:
        told = said(pi)
    finally:
        pi.run(f"umount --lazy {vendor} /mnt")
    assert f"{pi.name} could not unpack hailo-apps-" in told
    assert f"to {vendor}, where 0 MB are free: " in told
    assert "Make room on that disk" in told


@pytest.fixture
def held(pi: Pi) -> Iterator[Pi]:
    """A Pi whose device another program holds."""
    settings = "/etc/hailo-emulator.toml"
    program = 'import time; device = open("/dev/hailo0"); time.sleep(3600)'
    pi.run(f"""
        cp {settings} /root/emulator.toml
        printf '\\n[faults]\\ndevice_busy = true\\n' >> {settings}
        systemd-run --unit=squatter python3 -c '{program}'
        systemctl restart --no-block hailo-vision.service
    """)
    yield pi
    pi.run(f"mv /root/emulator.toml {settings}; systemctl stop squatter.service")
    pi.run("systemctl reset-failed hailo-vision.service; systemctl restart hailo-vision.service")


def test_who_holds_the_device_is_named_at_once(held: Pi) -> None:
    begun = time.monotonic()
    result = playbook("site.yml", "--limit", limit(held))
    # A service that may get ready yet is waited for 300 s.
    assert time.monotonic() - begun < 150
    assert result.returncode != 0
    assert "The device is held by python3 (process " in result.stdout
    assert " of squatter.service). " in result.stdout


def test_an_address_that_the_host_lacks_is_refused(pi: Pi) -> None:
    told = said(pi, "--extra-vars", "hailo_vision_host=192.0.2.77")
    assert "This host can't listen on 192.0.2.77: " in told
    assert pi.address in told


@pytest.fixture
def behind_a_proxy(pi: Pi) -> Iterator[Pi]:
    """A Pi whose every session has a proxy that knows nothing of the Pi itself."""
    names = "http_proxy https_proxy HTTP_PROXY HTTPS_PROXY"
    pi.run(f"""
        for name in {names}; do echo "$name=http://127.0.0.1:9" >> /etc/environment; done
        echo no_proxy={SCENARIO.gateway} >> /etc/environment
        echo 'Defaults env_keep += "{names} no_proxy"' > /etc/sudoers.d/proxy
    """)
    yield pi
    pi.run("sed -i '/_proxy=/Id' /etc/environment; rm /etc/sudoers.d/proxy")


def test_the_checks_of_the_host_itself_go_by_no_proxy(behind_a_proxy: Pi) -> None:
    assert "http_proxy" in behind_a_proxy.run("env")
    setting = ("--extra-vars", "hailo_vision_max_tokens=53")
    result = playbook("site.yml", "--limit", limit(behind_a_proxy), *setting)
    assert result.returncode == 0, result.stdout[-3000:]
    assert changes(result, behind_a_proxy) > 0
    assert playbook("verify.yml", "--limit", limit(behind_a_proxy)).returncode == 0
