"""What a look at a host makes of what it finds there."""

import ast
import os
import time
from pathlib import Path
from types import ModuleType

import pytest
from support.modules import TOP, load

from .conftest import Run

# What the module imports, and what that does.
UTILITIES = ("look", "state", "disk", "tree")


class Vcgencmd:
    """An Ansible module's view of a host with that tool."""

    def __init__(self, output: str) -> None:
        self.output = output

    def get_bin_path(self, name: str) -> str:
        return f"/usr/bin/{name}"

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        return 0, self.output, ""


@pytest.fixture
def facts() -> ModuleType:
    """The module."""
    return load("plugins/modules/hailo_facts.py", "hailo_facts")


@pytest.mark.parametrize(
    ("said", "value", "states"),
    [
        ("throttled=0x0\n", "0x0", []),
        (
            "throttled=0x50005\n",
            "0x50005",
            [
                "too low a voltage now",
                "throttling now",
                "too low a voltage since its boot",
                "throttling since its boot",
            ],
        ),
        (
            "throttled=0x80008\n",
            "0x80008",
            ["the soft temperature limit now", "the soft temperature limit since its boot"],
        ),
        ("VCHI initialization failed\n", "0x0", []),
        ("", "0x0", []),
    ],
)
def test_the_bits_of_get_throttled_are_named(
    facts: ModuleType, said: str, value: str, states: list[str]
) -> None:
    found = facts.throttling(Vcgencmd(said))
    assert found == {"value": value, "states": states}


def test_the_kernels_own_file_is_read_before_the_tool(
    facts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "get_throttled").write_text("50000\n")
    monkeypatch.setattr(facts, "THROTTLED", str(tmp_path / "get_*"))
    assert facts.throttling(Vcgencmd("throttled=0x0"))["value"] == "0x50000"


def test_only_newer_kernels_of_the_running_flavour_count(
    facts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("6.12.9+rpt-rpi-2712", "6.12.47+rpt-rpi-2712", "6.12.62+rpt-rpi-v8", "6.12.75+rpt-rpi-2712"):
        (tmp_path / name).mkdir()
    (tmp_path / "6.12.62+rpt-rpi-2712" / "build").mkdir(parents=True)
    monkeypatch.setattr(facts, "KERNELS", str(tmp_path / "*"))
    monkeypatch.setattr(facts.platform, "release", lambda: "6.12.47+rpt-rpi-2712")
    found = facts.system()
    assert found["kernels_without_headers"] == ["6.12.75+rpt-rpi-2712"]
    assert found["headers_of"] == ["6.12.62+rpt-rpi-2712"]


@pytest.mark.parametrize("text", ["", "null", "[1]", "{", '{"server": 5}'])
def test_settings_of_the_predecessor_that_are_none_are_passed_over(
    facts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "settings.json").write_text(text)
    monkeypatch.setattr(facts, "PREDECESSOR_SETTINGS", str(tmp_path / "settings.json"))
    monkeypatch.setattr(facts, "PREDECESSOR", (str(tmp_path), "/nowhere"))
    assert facts.predecessor() == {"remains": [str(tmp_path)], "settings": {}}


def test_a_database_that_dpkg_cannot_read_is_no_host_without_packages(
    facts: ModuleType, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    said = "dpkg-query: error: parsing file '/var/lib/dpkg/status' near line 1"
    monkeypatch.setattr(facts.os.path, "exists", lambda path: True)
    monkeypatch.setattr(facts.AnsibleModule, "run_command", lambda module, command: (2, "", said))
    message = run(facts)["msg"]
    assert message.startswith(f"dpkg can't read its database: {said}. ")
    assert "/var/lib/dpkg/status-old" in message


@pytest.mark.parametrize(
    "name", ["modules/hailo_facts", *(f"module_utils/hailo_{name}" for name in UTILITIES)]
)
def test_a_host_whose_python_is_too_old_can_be_looked_at(name: str) -> None:
    text = (TOP / f"plugins/{name}.py").read_text()
    ast.parse(text, feature_version=(3, 9))
    assert "from __future__ import annotations\n" in text


def test_what_was_written_by_a_clock_that_was_ahead_counts_for_nothing(
    facts: ModuleType, tmp_path: Path
) -> None:
    """A driver of tomorrow would be newer than each boot of today: a reboot with every run."""
    now = time.time()
    for name, moment in (("one", now - 60), ("two", now + 86400)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (moment, moment))
    assert facts.newest(f"{tmp_path}/*") == pytest.approx(now - 60, abs=1)
    assert facts.newest(f"{tmp_path}/two") == 0


def test_the_python_is_that_of_the_service(
    facts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever one runs Ansible's modules there (ansible_python_interpreter)."""
    (tmp_path / "python3").symlink_to("python3.14")
    monkeypatch.setattr(facts, "PYTHON", str(tmp_path / "python3"))
    assert facts.system()["wheels"]["python"] == "3.14"
