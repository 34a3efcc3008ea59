"""What the doctor sees of a Pi's driver, its settings and its files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hailo_vision.cli.driver_checks import check_driver
from hailo_vision.cli.finding import Finding

KERNEL = "6.12.47+rpt-rpi-2712"
NEWER = "6.12.62+rpt-rpi-2712"
DKMS = f"lib/modules/{KERNEL}/updates/dkms/hailo1x_pci.ko.xz"


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def bind(root: Path, module: str, kind: str = "0x45c4") -> None:
    """A chip on the PCI bus, and the module of the driver that has it ("" for none)."""
    device = root / "sys/bus/pci/devices/0001:01:00.0"
    write(device / "vendor", "0x1e60\n")
    write(device / "device", f"{kind}\n")
    if module:
        driver = root / "sys/bus/pci/drivers" / module
        driver.mkdir(parents=True)
        (driver / "module").symlink_to(root / "sys/module" / module)
        (device / "driver").symlink_to(driver)


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    bind(tmp_path, "hailo1x_pci")
    write(tmp_path / "usr/src/hailo1x_pci-5.1.1/dkms.conf")
    write(tmp_path / DKMS)
    (tmp_path / f"lib/modules/{KERNEL}/build").mkdir()
    write(
        tmp_path / "etc/modprobe.d/other.conf",
        "blacklist hailo_pci\n# blacklist hailo1x_pci\ninstall pcspkr modprobe hailo1x_pci\n",
    )
    write(tmp_path / "proc/cmdline", "console=tty1 modprobe.blacklist=pcspkr\n")
    return tmp_path


def problems(root: Path) -> list[Finding]:
    found = [finding for finding in check_driver(root, KERNEL) if not finding.ok]
    assert all(finding.cure for finding in found)
    return found


def test_a_healthy_pi_has_nothing_but_good_findings(healthy: Path) -> None:
    assert problems(healthy) == []
    assert [finding.check for finding in check_driver(healthy, KERNEL)] == ["driver", "driver file"]


def test_a_machine_without_a_chip_has_no_findings(tmp_path: Path) -> None:
    assert list(check_driver(tmp_path, KERNEL)) == []


@pytest.mark.parametrize(
    ("module", "kind", "told"),
    [
        ("hailo_pci", "0x45c4", "hailo_pci is bound to 1e60:45c4 at 0001:01:00.0"),
        ("vfio-pci", "0x45c4", "vfio-pci is bound"),
        ("", "0x45c4", "no driver is bound"),
        ("hailo_pci", "0x2864", "1e60:2864 at 0001:01:00.0 is no Hailo-10H"),
    ],
)
def test_another_driver_or_chip_is_named(module: str, kind: str, told: str, tmp_path: Path) -> None:
    bind(tmp_path, module, kind)
    (problem,) = problems(tmp_path)
    assert told in problem.message


def test_a_driver_that_is_no_module_is_named(tmp_path: Path) -> None:
    bind(tmp_path, "vfio-pci")
    (tmp_path / "sys/bus/pci/drivers/vfio-pci/module").unlink()
    (problem,) = problems(tmp_path)
    assert "vfio-pci is bound" in problem.message


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("etc/modprobe.d/a.conf", "# x\nblacklist hailo1x_pci\n", "/etc/modprobe.d/a.conf:2"),
        ("usr/lib/modprobe.d/a.conf", "  blacklist   hailo1x-pci", "/usr/lib/modprobe.d/a.conf:1"),
        ("usr/local/lib/modprobe.d/a.conf", "blacklist hailo1x_pci", "/usr/local/lib/modprobe.d/a.conf:1"),
        ("run/modprobe.d/a.conf", "install hailo1x_pci /bin/false", "/run/modprobe.d/a.conf:1"),
        ("proc/cmdline", "quiet module_blacklist=pcspkr,hailo1x_pci", "the kernel's command line"),
        ("proc/cmdline", "modprobe.blacklist=hailo1x_pci", "the kernel's command line"),
    ],
)
def test_what_keeps_the_driver_from_being_loaded_is_named(
    file: str, text: str, place: str, healthy: Path
) -> None:
    write(healthy / file, text)
    (problem,) = problems(healthy)
    assert problem.message.startswith(f"{place} keeps hailo1x_pci from being loaded")


def stale(root: Path) -> None:
    write(root / f"lib/modules/{KERNEL}/kernel/drivers/misc/hailo1x_pci.ko")


def not_built(root: Path) -> None:
    (root / DKMS).unlink()


def no_headers(root: Path) -> None:
    not_built(root)
    (root / f"lib/modules/{KERNEL}/build").rmdir()


def newer_headers(root: Path) -> None:
    no_headers(root)
    (root / f"lib/modules/{NEWER}/build").mkdir(parents=True)


@pytest.mark.parametrize(
    ("spoil", "told", "cure"),
    [
        (stale, "kernel/drivers/misc/hailo1x_pci.ko was not built by DKMS", "depmod"),
        (not_built, f"no hailo1x_pci for the running kernel {KERNEL}", "dkms autoinstall"),
        (no_headers, "nor its headers", f"nstall linux-headers-{KERNEL}"),
        (newer_headers, f"there are headers of {NEWER}", "Boot the kernel"),
    ],
)
def test_driver_files_that_do_not_fit_are_told(
    spoil: Callable[[Path], None], told: str, cure: str, healthy: Path
) -> None:
    spoil(healthy)
    (problem,) = problems(healthy)
    assert told in problem.message
    assert cure in problem.cure
