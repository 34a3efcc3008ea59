"""A system whose archive has nothing for the chip: packages and a wheel that the operator supplies."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleets import BOOKWORM

from emulator.fleet.layout import BUILD
from emulator.packages import build
from tests.deploy.conftest import TOP, Pi, changes, playbook


def fleet(*words: str) -> None:
    """Run a command of the fleet to its end."""
    command = [sys.executable, "-m", "emulator.fleet", *BOOKWORM.options, *words]
    result = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def pi() -> Iterator[Pi]:
    """One freshly booted Bookworm host, gone after the last test."""
    fleet("down")
    fleet("up", "--hosts", "1", "--suite", "bookworm", "--time-scale", "0.2")
    yield Pi(BOOKWORM.host_name(1), str(BOOKWORM.host_address(1)), fleet=BOOKWORM)
    fleet("down")


def test_without_packages_it_is_refused_and_told_what_to_supply(pi: Pi) -> None:
    nothing = ("--extra-vars", '{"hailo_driver_debs": []}')
    result = playbook("site.yml", *nothing, fleet=BOOKWORM)
    assert result.returncode != 0
    assert "Python is 3.11" in result.stdout
    assert "name them in hailo_driver_debs and hailo_driver_wheel" in result.stdout
    assert "set both or none" in result.stdout
    assert changes(result, pi) == 0


def test_with_packages_it_serves_and_a_second_run_changes_nothing(pi: Pi) -> None:
    result = playbook("site.yml", fleet=BOOKWORM)
    assert result.returncode == 0, result.stdout[-3000:]
    again = playbook("site.yml", fleet=BOOKWORM)
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
    result = playbook("site.yml", "--extra-vars", f"hailo_driver_wheel={another}", fleet=BOOKWORM)
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.property("MainPID") != before
    assert pi.run("ls /usr/local/lib/python3.11/dist-packages/hailo_platform/another.txt")
    assert pi.ask("coffee.jpg")
    again = playbook("site.yml", "--extra-vars", f"hailo_driver_wheel={another}", fleet=BOOKWORM)
    assert changes(again, pi) == 0


def test_uninstalling_takes_the_supplied_packages_and_the_wheel_back(pi: Pi) -> None:
    result = playbook("uninstall.yml", "--extra-vars", "purge_packages=true", fleet=BOOKWORM)
    assert result.returncode == 0, result.stdout[-3000:]
    listing = "ls -d /var/lib/hailo-driver /usr/local/lib/python3.11/dist-packages/hailo* 2>/dev/null"
    assert pi.run(listing, check=False) == ""
    assert pi.run("dpkg-query --show hailort h10-hailort-pcie-driver 2>/dev/null", check=False) == ""
