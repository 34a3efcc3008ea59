"""What the driver's role makes of a host's facts: reasons to refuse it, and reasons to warn."""

import time
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from support.modules import TOP, load

boot = load("plugins/plugin_utils/boot.py", "hailo_boot_of_checks")
packages = load("plugins/plugin_utils/packages.py", "hailo_packages_of_checks")
ROLE = TOP / "roles/hailo_driver"
HEALTHY: dict[str, Any] = {
    "machine": "aarch64",
    "bits": 64,
    "os": "Raspberry Pi OS Trixie",
    "os_family": ["debian"],
    "systemd": True,
    "kernel": "6.12.47+rpt-rpi-2712",
    "wheels": {"python": "3.13", "machine": "aarch64", "glibc": "2.41"},
    "packages": {},
    "runtime": "",
    "held": [],
    "held_for_driver": [],
    "pci": ["0x45c4"],
    "driver_modules": [],
    "nodes": [],
    "overlay": False,
    "read_only": [],
    "memory_limits": True,
    "throttling": {"value": "0x0", "states": []},
    "headers_of": [],
    "kernels_without_headers": [],
    "predecessor": {"remains": [], "settings": {}},
    "device_manager": "active",
    "waiting": {},
    "boot": {
        "folder": "/boot/firmware",
        "files": {"config.txt": {"content": ""}, "cmdline.txt": {"content": ""}},
        "kept": [],
        "room": 10**9,
        "record": {"words": [], "boot_id": ""},
        "id": "first",
        "running": [],
    },
    "reboot_pending": False,
}


def judge(facts: dict[str, Any], **settings: object) -> dict[str, list[str]]:
    """What the role says of a host that differs from a healthy one, with some settings."""
    host = {**HEALTHY, "time": int(time.time()), **facts}
    loader = DataLoader()
    defaults, names = (
        loader.load_from_file(str(ROLE / folder / "main.yml"), trusted_as_template=True)
        for folder in ("defaults", "vars")
    )
    variables = {**defaults, **names, "__hailo_driver_host": host, **settings}
    wish = {
        "packages": variables["hailo_driver_packages"],
        "version": variables.get("hailo_driver_version", ""),
        **{name: {} for name in ("hold", "upgrade", "judged")},
        **{name: [] for name in ("build", "files", "madison", "known")},
    }
    variables["__hailo_driver_plan"] = packages.plan(host, wish)
    wanted = (variables[f"hailo_driver_boot_{name}"] for name in ("config", "cmdline"))
    variables["__hailo_driver_boot"] = boot.plan(host["boot"], *wanted)
    problems = "__hailo_driver_checks | rejectattr('passed') | map(attribute='problem')"
    asked = f"{{{{ {{'problems': {problems}, 'warnings': __hailo_driver_warnings}} }}}}"
    return dict(Templar(loader, variables).template(trust_as_template(asked)))


def test_a_healthy_host_is_neither_refused_nor_warned_of() -> None:
    assert judge({}) == {"problems": [], "warnings": []}


def test_every_reason_to_refuse_a_host_is_told_with_its_cure() -> None:
    facts = {
        "bits": 32,
        "os_family": ["fedora"],
        "systemd": False,
        "packages": {"hailort": "4.23.0", "hailo-all": "4.23.0"},
        "pci": [],
        "wheels": {"python": "3.11"},
        "read_only": ["/etc"],
        "time": 0,
        "boot": {**HEALTHY["boot"], "files": {}},
    }
    settings = {"hailo_driver_boot_cmdline": ["two words"], "hailo_driver_boot_config": ["x" * 99]}
    settings["hailo_driver_packages"] = ["python3-numpy"]
    problems = judge(facts, **settings, hailo_driver_version="newest")["problems"]
    expected = [
        "64-bit Raspberry Pi OS",
        "one of the Debian family",
        "Boot with systemd",
        "sudo apt purge hailo-all hailort",
        "PCI bus shows no Hailo device",
        "Python is 3.11",
        '/etc is mounted read-only. Run "sudo mount -o remount,rw /etc"',
        "timedatectl",
        "a release such as 5.1.1",
        "none of the packages that have HailoRT's version",
        "neither /boot/firmware nor /boot",
        "at most 98 characters",
        "one word for the kernel",
    ]
    assert len(problems) == len(expected)
    for problem, part in zip(problems, expected, strict=True):
        assert part in problem


@pytest.mark.parametrize(
    ("facts", "part"),
    [
        ({"pci": ["0x2864"], "nodes": [{"path": "/dev/hailo0"}]}, "1e60:2864, which is another chip"),
        ({"packages": {"hailort": "5.3.0"}, "runtime": "5.3.0"}, "sudo apt purge hailort"),
        ({"overlay": True, "read_only": ["/"]}, "overlay in memory"),
        ({"driver_modules": ["hailo_pci"]}, "blacklist hailo_pci"),
        ({"predecessor": {"remains": ["/etc/xdg/hailo-vision"]}}, "disable --now hailo-device-manager"),
        ({"headers_of": ["6.12.62+rpt-rpi-2712"]}, "headers are of 6.12.62+rpt-rpi-2712 alone"),
    ],
)
def test_one_reason_is_told_once(facts: dict[str, Any], part: str) -> None:
    (problem,) = judge(facts)["problems"]
    assert part in problem


def test_headers_that_are_to_come_count_if_they_are_of_the_running_kernels_kind() -> None:
    def coming(*kernels: str) -> list[str]:
        versions = dict.fromkeys((f"linux-headers-{kernel}" for kernel in (*kernels, "rpi-2712")), "1")
        return list(judge({}, __hailo_driver_changes={"versions": versions})["problems"])

    assert coming("6.12.62+rpt-common-rpi", "6.12.62+rpt-rpi-v8", "6.12.47+rpt-rpi-2712") == []
    (problem,) = coming("6.12.62+rpt-common-rpi", "6.12.62+rpt-rpi-2712")
    assert "headers are of 6.12.62+rpt-rpi-2712 alone" in problem


def test_what_is_no_reason_to_refuse_is_warned_of() -> None:
    facts = {
        "memory_limits": False,
        "throttling": {"value": "0x80000", "states": ["the soft temperature limit since its boot"]},
        "kernels_without_headers": ["6.12.75+rpt-rpi-2712"],
    }
    said = judge(facts)
    assert said["problems"] == []
    for warning, part in zip(
        said["warnings"],
        [
            "[cgroup_enable=memory]",
            "(throttled=0x80000). Fit an active cooler",
            "linux-headers-6.12.75+rpt-rpi-2712",
        ],
        strict=True,
    ):
        assert part in warning
    word = "cgroup_enable=memory"
    assert len(judge(facts, hailo_driver_boot_cmdline=[word])["warnings"]) == 2
    facts["boot"] = {**HEALTHY["boot"], "running": [word]}
    told = judge(facts, hailo_driver_boot_cmdline=[word])["warnings"]
    assert "It was booted with cgroup_enable=memory" in told[0]


def test_updates_that_wait_behind_the_hold_are_named() -> None:
    (warning,) = judge({"waiting": {"linux-image-rpi-2712": "1:6.12.62"}})["warnings"]
    assert "linux-image-rpi-2712 1:6.12.62. Bring them together with -e hailo_driver_upgrade=true" in warning
    assert judge({"waiting": {"h10-hailort": "5.3.0"}}, hailo_driver_version="5.1.1")["warnings"] == []
