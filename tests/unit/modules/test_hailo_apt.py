"""Packages that are downloaded, installed all at once, and taken back: stand-ins for apt and dpkg."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from support.modules import load

from .conftest import Run

apt = load("plugins/modules/hailo_apt.py", "hailo_apt")
DRIVER = "h10-hailort-pcie-driver"
SIMULATED = f"""Reading package lists...
Inst {DRIVER} [5.1.0] (5.1.1 archive:trixie [all])
Inst dkms (1:3.2.2-1 archive:trixie [all])
Conf {DRIVER} (5.1.1 archive:trixie [all])
"""


class Host:
    """Its driver is 5.1.0, and how its apt fares is said by the test."""

    def __init__(self) -> None:
        self.states = {DRIVER: "installed 5.1.0", "python3": "installed 3.13"}
        self.fails: list[str] = []
        self.half = ""
        self.ran: list[str] = []
        self.held: list[str] = []

    def run(self, module: object, command: list[str], **options: Any) -> tuple[int, str, str]:
        del module, options
        line = " ".join(command)
        if command[0] != "apt-mark":
            self.ran.append(line)
        match command[0]:
            case "dpkg-query":
                return 0, "".join(f"{name} {state}\n" for name, state in self.states.items()), ""
            case "apt-mark":
                self.held.append(line)
                return 0, f"{DRIVER}\n", ""
            case "dpkg-deb":
                return 0, f"{DRIVER} {command[-1].split('_')[1]}", ""
            case "dpkg" if "--compare-versions" in command:
                return (0 if command[2] < command[4] else 1), "", ""
            case "dpkg":
                self.states = {DRIVER: "not-installed ", "python3": "installed 3.13"}
                return 0, "", ""
        if "--simulate" in command:
            return 0, SIMULATED, ""
        if any(word in line for word in self.fails):
            self.states[DRIVER] = self.half
            return 100, "", "E: Sub-process /usr/bin/dpkg returned an error code (1)\n"
        self.states[DRIVER] = "installed 5.1.0" if f"{DRIVER}=5.1.0" in command else "not-installed "
        return 0, "", ""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    found = Host()
    monkeypatch.setattr(
        apt.AnsibleModule, "run_command", lambda *args, **options: found.run(*args, **options)
    )
    monkeypatch.setattr(apt, "BUILD_LOGS", str(tmp_path / "*.log"))
    return found


def test_downloading_tells_what_will_change_and_from_what(run: Run, host: Host) -> None:
    result = run(apt, names=[DRIVER], state="downloaded")
    assert result["versions"] == {DRIVER: "5.1.1", "dkms": "1:3.2.2-1"}
    assert result["former"] == {DRIVER: "5.1.0"}
    assert result["changed"] is False
    assert "--download-only" in host.ran[-1]


def test_check_mode_only_simulates(run: Run, host: Host) -> None:
    assert run(apt, check=True, names=[DRIVER])["changed"] is True
    assert [line for line in host.ran if line.startswith("apt-get") and "--simulate" not in line] == []


def test_a_driver_that_does_not_build_is_taken_back(run: Run, host: Host, tmp_path: Path) -> None:
    (tmp_path / "make.log").write_text("\n".join(f"line {number}" for number in range(20)))
    os.utime(tmp_path / "make.log", (time.time() + 5, time.time() + 5))
    host.fails, host.half = [f"install {DRIVER} dkms"], "half-configured 5.1.1"
    said = run(apt, names=[DRIVER, "dkms"])["msg"]
    assert host.ran[-1].endswith(f"--allow-downgrades install {DRIVER}=5.1.0")
    assert "The driver does not build for the kernel" in said
    assert "line 19" in said
    assert "line 7\n" not in said
    assert f"The host went back to {DRIVER}=5.1.0." in said
    assert host.held[-1] == f"apt-mark hold {DRIVER}"


def test_what_was_new_and_is_half_installed_is_removed(run: Run, host: Host) -> None:
    del host.states[DRIVER]
    host.fails, host.half = [f"install {DRIVER} dkms"], "unpacked 5.1.1"
    said = run(apt, names=[DRIVER, "dkms"])["msg"]
    assert host.ran[-1].endswith(f"install {DRIVER}-")
    assert said.endswith("It was removed again.")


def test_what_no_archive_has_any_more_is_removed_and_said(run: Run, host: Host) -> None:
    host.fails, host.half = ["install"], "half-configured 5.1.1"
    said = run(apt, names=[DRIVER])["msg"]
    assert f"{DRIVER} had to be removed, as no archive has the former version." in said
    assert host.ran[-1].startswith("dpkg --force-depends")


def test_an_older_file_is_refused_unless_meant(run: Run, host: Host) -> None:
    old = f"/root/{DRIVER}_5.0.0_all.deb"
    assert "is the older 5.0.0" in run(apt, files=[old])["msg"]
    assert "failed" not in run(apt, files=[old], allow_downgrade=True)
    assert "--allow-downgrades" in host.ran[-1]
