"""What is made of apt's words."""

import pytest
from support.modules import load

apt = load("plugins/plugin_utils/apt.py", "hailo_apt_filter")
DRIVER = "h10-hailort-pcie-driver"
SIMULATED = f"""Reading package lists...
Inst {DRIVER} [5.1.0] (5.1.1 archive:trixie [all])
Inst libc6:arm64 [2.41-1] (2.41-2 archive:trixie [arm64]) []
Inst dkms (1:3.2.2-1 archive:trixie [all])
Conf {DRIVER} (5.1.1 archive:trixie [all])
"""


def result(stderr: str, stdout: str = "") -> dict[str, object]:
    """Of a task."""
    command = ["apt-get", "--yes", "--option=A=b", "--allow-downgrades", "install", DRIVER, "dkms=1"]
    lines = {"stdout_lines": stdout.splitlines(), "stderr_lines": stderr.splitlines()}
    return {"cmd": command, "stderr": stderr, "stdout": stdout, **lines}


def test_what_will_change_and_from_what() -> None:
    assert apt.changes(SIMULATED) == {
        "versions": {DRIVER: "5.1.1", "libc6": "2.41-2", "dkms": "1:3.2.2-1"},
        "former": {DRIVER: "5.1.0", "libc6": "2.41-1"},
        "added": ["dkms"],
    }
    assert apt.changes("") == {"versions": {}, "former": {}, "added": []}


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        (
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (dpkg)",
            "held apt's lock",
        ),
        (
            "E: Packages were downgraded and -y was used without --allow-downgrades.",
            "_allow_downgrade to true",
        ),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "Make room"),
    ],
)
def test_a_refusal_names_packages_reason_and_cure(said: str, cure: str) -> None:
    told = apt.refusal(result(f"W: Be careful.\n{said}\n{said}\n"))
    assert told.startswith(f"apt refused {DRIVER} dkms=1: {said}. ")
    assert cure in told


def test_a_reason_of_another_form_is_told_as_it_is() -> None:
    assert apt.refusal(result("Segmentation fault\n")) == f"apt refused {DRIVER} dkms=1: Segmentation fault."


def test_what_is_neither_whole_nor_away_is_broken() -> None:
    states = f"installed less\nhalf-configured {DRIVER}\nconfig-files old\nunpacked new\nnot-installed gone\n"
    assert apt.broken(states) == [DRIVER, "new"]
