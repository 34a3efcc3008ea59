"""Settings in config.txt and cmdline.txt: put in, taken out, and nothing else touched."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.modules import load, shared

from .conftest import Run

CONFIG = "dtparam=audio=on\n\n[cm5]\ndtoverlay=dwc2\n"
CMDLINE = "console=tty1  root=PARTUUID=1-02 rootwait quiet\n"
LINES = ["dtparam=pciex1_gen=3", "dtoverlay=cma,cma-512"]
WORDS = ["cgroup_enable=memory", "rootwait"]


@dataclass
class Pi:
    """A boot partition, the record, and the module that keeps both."""

    run: Run
    module: ModuleType
    utils: ModuleType
    folder: Path

    def set(self, config: list[str], cmdline: list[str], check: bool = False) -> dict[str, Any]:
        """Run the module."""
        return self.run(self.module, check=check, config=config, cmdline=cmdline)

    @property
    def texts(self) -> tuple[str, str]:
        """config.txt and cmdline.txt."""
        return (self.folder / "config.txt").read_text(), (self.folder / "cmdline.txt").read_text()

    @property
    def names(self) -> list[str]:
        """Everything on the partition."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def pi(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pi:
    """A Pi as it comes from the vendor, booted without anything of ours."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "config.txt").write_text(CONFIG)
    (folder / "cmdline.txt").write_text(CMDLINE)
    utils = shared("hailo_boot")
    monkeypatch.setattr(utils, "FOLDERS", (str(tmp_path / "none"), str(folder)))
    monkeypatch.setattr(utils, "RECORD", str(tmp_path / "lib" / "boot.json"))
    monkeypatch.setattr(utils, "running", CMDLINE.split)
    monkeypatch.setattr(utils, "boot_id", lambda: "first")
    return Pi(run, load("plugins/modules/hailo_boot.py", "hailo_boot"), utils, folder)


def test_settings_are_put_in_once_and_wait_for_a_boot(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pi.set(LINES, WORDS)["changed"]
    config, cmdline = pi.texts
    assert config == f"{CONFIG}{pi.utils.BEGIN}\n[all]\n" + "\n".join(LINES) + f"\n{pi.utils.END}\n"
    assert cmdline == CMDLINE.rstrip() + " cgroup_enable=memory\n"
    facts = pi.utils.look()
    assert (facts["config"], facts["added"], facts["pending"]) == (LINES, ["cgroup_enable=memory"], True)
    assert not pi.set(LINES, WORDS)["changed"]
    monkeypatch.setattr(pi.utils, "boot_id", lambda: "second")
    assert not pi.utils.look()["pending"]


def test_what_is_taken_out_leaves_the_files_as_they_were(pi: Pi) -> None:
    pi.set(LINES, WORDS)
    assert pi.names == ["cmdline.txt", "cmdline.txt.before-hailo", "config.txt", "config.txt.before-hailo"]
    assert (pi.folder / "config.txt.before-hailo").read_text() == CONFIG
    assert pi.set([], [])["changed"]
    assert pi.texts == (CONFIG, CMDLINE)
    assert pi.names == ["cmdline.txt", "config.txt"]


def test_a_changed_setting_replaces_the_old_one_in_its_place(pi: Pi) -> None:
    pi.set(LINES, ["pcie_aspm=off"])
    config_txt = pi.folder / "config.txt"
    config_txt.write_text(config_txt.read_text() + "# added by hand\n")
    pi.set(LINES[:1], ["pcie_aspm=performance"])
    config, cmdline = pi.texts
    assert "cma" not in config
    assert config.endswith(f"{pi.utils.END}\n# added by hand\n")
    assert cmdline == CMDLINE.rstrip() + " pcie_aspm=performance\n"


def test_check_mode_shows_the_diff_and_touches_nothing(pi: Pi) -> None:
    result = pi.set(LINES, WORDS, check=True)
    assert result["changed"]
    assert "cgroup_enable=memory" in result["diff"][1]["after"]
    assert pi.texts == (CONFIG, CMDLINE)
    assert not pi.utils.look()["pending"]


def test_words_that_the_kernel_has_already_need_no_boot(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pi.utils, "running", lambda: [*CMDLINE.split(), "cgroup_enable=memory"])
    assert pi.set([], WORDS)["changed"]
    assert not pi.utils.look()["pending"]


def test_a_change_that_was_cut_off_is_completed_and_can_be_taken_back(
    pi: Pi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "cmdline.txt")

    with monkeypatch.context() as broken:
        broken.setattr(pi.module, "replace", fail)
        assert "No space left" in pi.set([], WORDS)["msg"]
    assert pi.texts == (CONFIG, CMDLINE)
    assert pi.set([], WORDS)["changed"]
    pi.set([], [])
    assert pi.texts == (CONFIG, CMDLINE)


def test_files_that_can_not_be_written_leave_nothing_that_waits_for_a_boot(
    pi: Pi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(30, "Read-only file system", str(pi.folder))

    monkeypatch.setattr(pi.module, "apply", refuse)
    assert "Read-only file system" in pi.set(LINES, WORDS)["msg"]
    assert pi.utils.look()["pending"] is False
    assert pi.utils.record()["words"] == []


def test_a_mark_that_was_taken_away_is_named(pi: Pi) -> None:
    pi.set(LINES, [])
    config = pi.folder / "config.txt"
    config.write_text(config.read_text().replace(f"{pi.utils.END}\n", ""))
    before = pi.texts
    assert pi.utils.END in pi.set(LINES[:1], [])["msg"]
    assert pi.texts == before
    assert pi.utils.look()["config"] == []


def test_a_system_without_such_files_is_named(pi: Pi) -> None:
    (pi.folder / "cmdline.txt").unlink()
    assert "There is no config.txt" in pi.set(LINES, [])["msg"]
