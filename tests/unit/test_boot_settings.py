"""Settings in config.txt and cmdline.txt: put in, taken out, and nothing else touched."""

import grp
import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.modules import call, load

CONFIG = "dtparam=audio=on\r\n\n[cm5]\ndtoverlay=dwc2\n"
CMDLINE = "console=tty1  root=PARTUUID=1-02 rootwait quiet\n# a note\n"
LINES = ["dtparam=pciex1_gen=3", "dtoverlay=cma,cma-512"]
WORDS = ["cgroup_enable=memory", "rootwait"]

MINE = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}

plugin = load("plugins/plugin_utils/boot.py", "hailo_boot_filter")
paths = load("plugins/modules/hailo_paths.py", "boot_paths")


def bring_about(step: list[dict[str, Any]]) -> None:
    """Do as the role does, as whoever runs the test."""
    assert "failed" not in call(paths, paths=[{**MINE, **item} for item in step])


@dataclass
class Pi:
    """A boot partition, the record, and what looks at both."""

    facts: ModuleType
    folder: Path
    running: str = CMDLINE
    room: int = plugin.ROOM

    def look(self) -> dict[str, Any]:
        """What hailo_facts finds, in the boot that the test is in."""
        return {**self.facts.boot(), "id": "first", "running": self.running.split(), "room": self.room}

    def plan(self, config: list[str], cmdline: list[str]) -> dict[str, Any]:
        """What the filter makes of it."""
        return dict(plugin.plan(self.look(), config, cmdline))

    def set(self, config: list[str], cmdline: list[str]) -> list[list[str]]:
        """Do as the role does; the names of the files of each step."""
        plan = self.plan(config, cmdline)
        assert plan["fault"] == ""
        for step in plan["steps"]:
            bring_about(step)
        return [[Path(item["path"]).name for item in step] for step in plan["steps"]]

    @property
    def texts(self) -> tuple[str, str]:
        """config.txt and cmdline.txt."""
        return (
            (self.folder / "config.txt").read_bytes().decode(),
            (self.folder / "cmdline.txt").read_bytes().decode(),
        )

    @property
    def names(self) -> list[str]:
        """Everything on the partition."""
        return sorted(path.name for path in self.folder.iterdir())

    @property
    def record(self) -> dict[str, Any]:
        """What is remembered."""
        return dict(self.look()["record"])


@pytest.fixture
def pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pi:
    """A Pi as it comes from the vendor, booted without anything of ours."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "config.txt").write_bytes(CONFIG.encode())
    (folder / "cmdline.txt").write_text(CMDLINE)
    (folder / "cmdline.txt").chmod(0o755)
    facts = load("plugins/modules/hailo_facts.py", "boot_facts")
    monkeypatch.setattr(facts, "BOOT", (str(tmp_path / "none"), str(folder)))
    state = tmp_path / "lib"
    monkeypatch.setattr(facts, "BOOT_RECORD", str(state / "boot.json"))
    monkeypatch.setattr(plugin, "STATE", str(state))
    monkeypatch.setattr(plugin, "RECORD", str(state / "boot.json"))
    return Pi(facts, folder)


def test_settings_are_put_in_once_and_wait_for_a_boot(pi: Pi) -> None:
    assert pi.plan([], [])["steps"] == []
    assert pi.set(LINES, WORDS) == [
        ["config.txt.before-hailo", "cmdline.txt.before-hailo"],
        ["lib", "boot.json"],
        ["config.txt", "cmdline.txt"],
    ]
    config, cmdline = pi.texts
    assert config == f"{CONFIG}{plugin.BEGIN}\n[all]\n" + "\n".join(LINES) + f"\n{plugin.END}\n"
    assert cmdline == CMDLINE.replace("quiet", "quiet cgroup_enable=memory")
    assert (pi.folder / "cmdline.txt").stat().st_mode & 0o777 == 0o755
    assert pi.record == {"words": ["cgroup_enable=memory"], "boot_id": "first"}
    assert pi.set(LINES, WORDS) == []
    assert pi.plan(LINES, WORDS)["ignored"] == ["cgroup_enable=memory"]


def test_what_is_taken_out_leaves_the_files_as_they_were(pi: Pi) -> None:
    pi.set(LINES, WORDS)
    assert (pi.folder / "config.txt.before-hailo").read_bytes().decode() == CONFIG
    assert pi.set([], [])
    assert pi.texts == (CONFIG, CMDLINE)
    assert pi.names == ["cmdline.txt", "config.txt"]
    assert pi.record["words"] == []
    assert pi.set([], []) == []


def test_a_changed_setting_replaces_the_old_one_in_its_place(pi: Pi) -> None:
    pi.set(LINES, ["pcie_aspm=off"])
    config_txt = pi.folder / "config.txt"
    # As an editor of Windows leaves it.
    config_txt.write_bytes(config_txt.read_bytes().replace(b"\n", b"\r\n") + b"# added by hand\n")
    assert pi.set(LINES[:1], ["pcie_aspm=performance"])
    config, cmdline = pi.texts
    assert "cma" not in config
    assert config.count(plugin.BEGIN) == 1
    assert config.endswith(f"{plugin.END}\n# added by hand\n")
    assert cmdline == CMDLINE.replace("quiet", "quiet pcie_aspm=performance")


def test_words_that_the_kernel_has_already_need_no_boot(pi: Pi) -> None:
    pi.running += " cgroup_enable=memory"
    assert pi.set([], WORDS)
    assert pi.record == {"words": ["cgroup_enable=memory"], "boot_id": ""}


@pytest.mark.parametrize("done", range(5))
def test_a_change_that_was_cut_off_is_completed_and_can_be_taken_back(pi: Pi, done: int) -> None:
    pi.set([], ["pcie_aspm=off"])
    for step in pi.plan(LINES, WORDS)["steps"][:done]:
        bring_about(step)
    assert (pi.set(LINES, WORDS) == []) == (done == 4)
    assert pi.record == {"words": ["cgroup_enable=memory"], "boot_id": "first"}
    pi.set([], [])
    assert pi.texts == (CONFIG, CMDLINE)
    assert pi.names == ["cmdline.txt", "config.txt"]


def test_a_partition_without_room_is_told_before_anything_is_remembered(pi: Pi) -> None:
    pi.room = plugin.ROOM - 1
    assert "sudo mount -o remount,rw" in pi.plan(LINES, WORDS)["fault"]
    assert pi.plan([], [])["fault"] == ""
    # Whoever gets so far all the same makes the copies first: they need room, too.
    assert pi.plan(LINES, WORDS)["steps"][0][0]["path"].endswith("config.txt.before-hailo")


def test_a_mark_that_was_taken_away_is_named(pi: Pi) -> None:
    pi.set(LINES, [])
    config = pi.folder / "config.txt"
    config.write_text(config.read_text().replace(f"{plugin.END}\n", ""))
    plan = pi.plan(LINES[:1], [])
    assert plan["steps"] == []
    assert plugin.END in plan["fault"]
    assert pi.plan([], []) == {"steps": [], "fault": "", "ignored": []}


@pytest.mark.parametrize("text", [b"", b"\xe9"])
def test_a_system_without_such_files_or_with_other_texts_is_named(pi: Pi, text: bytes) -> None:
    (pi.folder / "cmdline.txt").write_bytes(text) if text else (pi.folder / "cmdline.txt").unlink()
    assert "neither /boot/firmware nor /boot has the config.txt" in pi.plan(LINES, [])["fault"]
    assert pi.plan([], []) == {"steps": [], "fault": "", "ignored": []}
    json.dumps(pi.look()).encode()
