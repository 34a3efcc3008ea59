"""Which packages are to be installed, in which version, and which are held."""

from typing import Any

import pytest
from support.modules import load

plugin = load("plugins/plugin_utils/packages.py", "hailo_packages_filter")
CORE = plugin.CORE
MADISON = [
    "h10-hailort | 5.3.0 | http://archive trixie/main arm64 Packages",
    "h10-hailort | 1:5.1.1-2 | http://archive trixie/main arm64 Packages",
    "h10-hailort | 5.1.1-1 | http://archive trixie/main arm64 Packages",
    "h10-hailort | 5.1.10 | http://archive trixie/main arm64 Packages",
]
WISH: dict[str, Any] = {
    "packages": CORE,
    "build": ["dkms"],
    "version": "",
    "hold": True,
    "upgrade": False,
    "files": [],
    "judged": {},
    "madison": [],
    "known": [],
}
RECORD: dict[str, Any] = {"digests": {}, "packages": {}, "requires": [], "importable": True}
HOST: dict[str, Any] = {
    "packages": dict.fromkeys([*CORE, "dkms", "python3-venv", "linux-image-6.12", "less"], "5.1.1-1"),
    "held": CORE,
    "held_for_driver": CORE,
    "waiting": {},
    "supplied": RECORD,
}


def plan(wish: dict[str, Any] | None = None, **host: Any) -> dict[str, Any]:
    """The plan for a host in order but for some changes."""
    return dict(plugin.plan(HOST | host, WISH | (wish or {})))


def test_nothing_is_to_be_done_on_a_host_in_order() -> None:
    found = plan()
    assert (found["to_install"], found["names"], found["to_hold"], found["to_release"]) == ([], [], [], False)


def test_what_is_missing_comes_in_the_newest_version_and_is_held_then() -> None:
    found = plan(packages={"less": "1"}, held=[], held_for_driver=[])
    assert found["to_install"] == found["names"] == [*CORE, "dkms", "python3-venv"]
    there = HOST["packages"] | dict.fromkeys(("linux-image-rpi-2712", "linux-headers-rpi-2712"), "1")
    found = plan(packages=there, held_for_driver=["gone", CORE[0]])
    assert found["to_hold"] == ["linux-image-rpi-2712", "linux-headers-rpi-2712"]
    assert found["holds"] == ["h10-hailort", "linux-headers-rpi-2712", "linux-image-rpi-2712"]


def test_a_release_is_one_of_all_packages_that_have_releases() -> None:
    found = plan({"version": "5.1.1", "packages": ["hailo-h10-all", "python3-numpy"], "madison": MADISON})
    assert found["versioned"] == ["hailo-h10-all", *CORE]
    assert found["pins"] == found["names"][1:] == ["h10-hailort=1:5.1.1-2"]
    assert found["to_install"] == ["hailo-h10-all", "python3-numpy"]
    assert found["offers"][0] == "h10-hailort=5.3.0"
    assert plan({"version": "5.1.0"})["to_install"] == CORE


def test_an_upgrade_takes_kernel_and_driver_together_but_not_a_release_that_was_asked_for() -> None:
    there = HOST["packages"] | {"linux-image-rpi-2712": "1"}
    assert plan({"upgrade": True}, packages=there)["names"] == [
        *CORE,
        "dkms",
        "python3-venv",
        "linux-image-rpi-2712",
    ]
    wish: dict[str, Any] = {"upgrade": True, "version": "5.1.1"}
    assert plan(wish, packages=there)["names"] == ["dkms", "python3-venv", "linux-image-rpi-2712"]


def test_who_does_not_hold_releases_what_the_role_has_held_alone() -> None:
    found = plan({"hold": False}, held=[])
    assert (found["to_hold"], found["to_release"]) == ([], True)
    assert plan({"hold": False}, held_for_driver=[])["to_release"] is False


def test_who_asks_for_a_release_does_not_wait_for_another() -> None:
    waiting = {"h10-hailort": "5.3.0", "linux-image-rpi-2712": "1:6.12.62"}
    assert plan(waiting=waiting)["waiting"] == ["h10-hailort 5.3.0", "linux-image-rpi-2712 1:6.12.62"]
    assert plan({"version": "5.1.1"}, waiting=waiting)["waiting"] == ["linux-image-rpi-2712 1:6.12.62"]


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        ({}, False),
        ({"digests": {"a.deb": "2"}}, True),
        ({"importable": False}, True),
        ({"packages": {"less": "1"}}, True),
        ({"requires": ["python3-numpy"]}, True),
    ],
)
def test_files_are_sent_where_they_are_not_what_is_installed(record: dict[str, Any], sent: bool) -> None:
    files = ["/srv/a.deb", "/srv/hailort.whl"]
    judged = {"digests": {"a.deb": "1"}, "requires": ["python3-numpy", "python3-unknown"]}
    wish = {"files": files, "judged": judged, "known": ["python3-numpy"]}
    found = plan(wish, supplied=RECORD | {"digests": {"a.deb": "1"}} | record)
    assert found["missing"] == ["python3-pip"]
    assert found["to_install"] == ["python3-pip", *(files if sent else [])]
    assert found["names"] == ["python3-pip", *(["python3-numpy"] if sent else [])]
