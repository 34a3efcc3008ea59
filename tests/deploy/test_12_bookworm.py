"""A system whose archive has nothing for the chip: packages and a wheel that the operator supplies."""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleets import BOOKWORM

from emulator.fleet.layout import BUILD
from emulator.packages import build
from tests.deploy.conftest import Pi, booted, changes, playbook

MODEL = "/var/lib/hailo-vision/resources/Qwen2-VL-2B-Instruct.hef"
PLANTED = ("/tmp/hailo_platform.py", "/home/pi/hailo_platform.py", "/home/pi/venv.py")
# Has the lock of the packages until somebody has wanted it for a moment.
OTHER_APT = """
import fcntl, glob, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
def names():
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            yield open(path).read().strip()
        except OSError:
            pass
while "apt-get" not in names():
    time.sleep(0.05)
time.sleep(1)
"""


@pytest.fixture(scope="module")
def pi() -> Iterator[Pi]:
    """One freshly booted Bookworm host, gone after the last test."""
    with booted(BOOKWORM, 1, "--suite", "bookworm", "--time-scale", "0.2") as hosts:
        yield hosts[0]


def test_without_packages_it_is_refused_and_told_what_to_supply(pi: Pi) -> None:
    nothing = ("--extra-vars", '{"hailo_driver_debs": []}')
    result = playbook("site.yml", *nothing, fleet=BOOKWORM)
    assert result.returncode != 0
    assert "Python is 3.11" in result.stdout
    assert "name them in hailo_driver_debs and hailo_driver_wheel" in result.stdout
    assert "set both or none" in result.stdout
    assert changes(result, pi) == 0


def deploy(**variables: object) -> subprocess.CompletedProcess[str]:
    """Run site.yml, with the model handed on by the controller."""
    settings = {"hailo_model_source": "controller", **variables}
    return playbook("site.yml", "--extra-vars", json.dumps(settings), fleet=BOOKWORM)


def test_another_apt_is_waited_for_and_without_leave_to_reboot_the_host_is_left_out(pi: Pi) -> None:
    """And root imports nothing of what somebody put where root happens to work."""
    for path in PLANTED:
        pi.run(f'echo \'open("/root/imported", "a").write(__file__)\' > {path}')
    pi.run(f"systemd-run --quiet --unit=other-apt python3 -c '{OTHER_APT}'")
    boot = pi.run("cat /proc/sys/kernel/random/boot_id")
    result = deploy(hailo_driver_reboot=False)
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.property("Result", "other-apt.service") == "success"
    assert pi.property("ActiveState", "other-apt.service") == "inactive"
    assert pi.run("cat /root/imported 2>/dev/null", check=False) == ""
    pi.run(f"rm {' '.join(PLANTED)}")
    assert "hailort" in pi.run("apt-mark showhold").split()
    assert f"Reboot {pi.name} and run again" in result.stdout
    assert pi.run("cat /proc/sys/kernel/random/boot_id") == boot
    assert pi.property("LoadState") == "not-found"


def test_with_packages_it_serves_and_a_second_run_changes_nothing(pi: Pi) -> None:
    result = deploy()
    assert result.returncode == 0, result.stdout[-3000:]
    again = deploy()
    assert again.returncode == 0, again.stdout[-3000:]
    assert changes(again, pi) == 0
    verified = playbook("verify.yml", fleet=BOOKWORM)
    assert verified.returncode == 0, verified.stdout[-3000:]
    assert pi.health()["versions"]["hailort"] == "5.1.1"
    assert {"hailort", "h10-hailort-pcie-driver"} <= set(pi.run("apt-mark showhold").split())
    assert pi.ask("coffee.jpg")


def test_another_wheel_is_installed_with_one_restart(pi: Pi, tmp_path: Path) -> None:
    wheel = build.ensure(BUILD / "mirror").wheel
    another = shutil.copy(wheel, tmp_path / wheel.name.replace("-cp", "-2-cp", 1))
    with zipfile.ZipFile(another, "a") as file:
        file.writestr("hailo_platform/another.txt", "")
    before = pi.property("MainPID")
    result = deploy(hailo_driver_wheel=str(another))
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.property("MainPID") != before
    assert pi.run("ls /usr/local/lib/python3.11/dist-packages/hailo_platform/another.txt")
    assert pi.ask("coffee.jpg")
    again = deploy(hailo_driver_wheel=str(another))
    assert changes(again, pi) == 0


def test_uninstalling_takes_the_supplied_packages_and_the_wheel_back_but_keeps_the_model(pi: Pi) -> None:
    result = playbook("uninstall.yml", "--extra-vars", "purge_packages=true", fleet=BOOKWORM)
    assert result.returncode == 0, result.stdout[-3000:]
    listing = "ls -d /var/lib/hailo-driver /usr/local/lib/python3.11/dist-packages/hailo* 2>/dev/null"
    assert pi.run(listing, check=False) == ""
    assert pi.run("find /var/lib/hailo-vision -type f -name '[^.]*'").split() == [MODEL]
    assert pi.run("dpkg-query --show hailort h10-hailort-pcie-driver 2>/dev/null", check=False) == ""
