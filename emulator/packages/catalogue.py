"""The packages of the emulated vendor's archive: names, versions and relations as Raspberry Pi OS has them.

The h10 line, its relations and version 5.1.1: the index of archive.raspberrypi.com for trixie.  The index for
bookworm has only the Hailo-8 line.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emulator.packages import content

RUNTIME = "5.1.1"
# The archive keeps the release before, too.
RELEASES = ("5.1.0", RUNTIME)


@dataclass(frozen=True)
class Package:
    """One binary package; ``fill`` lays its files below a root folder."""

    name: str
    version: str
    summary: str
    depends: str = ""
    conflicts: str = ""
    fill: Callable[[Path], None] | None = None

    def control(self) -> str:
        """The control file."""
        lines = [
            f"Package: {self.name}",
            f"Version: {self.version}",
            "Architecture: all",
            "Maintainer: Hailo Vision emulator <root@localhost>",
            f"Depends: {self.depends}" if self.depends else "",
            *([f"Conflicts: {self.conflicts}", f"Replaces: {self.conflicts}"] if self.conflicts else []),
            "Section: misc",
            "Priority: optional",
            f"Description: {self.summary}",
            " Emulated: a stand-in made by the Hailo Vision repository for its tests.",
        ]
        return "\n".join(line for line in lines if line) + "\n"


def _h10(version: str) -> tuple[Package, ...]:
    """The packages of one release for the Hailo-10H."""
    return (
        Package(
            "hailo-h10-all", version, "everything for the Hailo-10H",
            depends="h10-hailort, h10-hailort-pcie-driver, python3-h10-hailort, hailo-tappas-core, "
            "python3-hailo-tappas, rpicam-apps-hailo-postprocess",
        ),
        Package(
            "h10-hailort", version, "HailoRT runtime and hailortcli for the Hailo-10H",
            depends="python3", conflicts="hailort", fill=content.runtime,
        ),
        Package(
            "h10-hailort-pcie-driver", version, "PCIe driver and firmware of the Hailo-10H",
            depends="dkms, python3", conflicts="hailort-pcie-driver", fill=partial(content.driver, version),
        ),
        Package(
            "python3-h10-hailort", f"{version}-1", "HailoRT's Python bindings for the Hailo-10H",
            depends=f"python3 (>= 3.13), python3-numpy, python3-jinja2, h10-hailort (= {version})",
            fill=partial(content.bindings, version),
        ),
    )  # fmt: skip


_EXTRAS = (
    Package("hailo-tappas-core", "5.1.0", "GStreamer elements for Hailo devices"),
    Package("python3-hailo-tappas", "5.1.0-1", "Python side of TAPPAS", depends="hailo-tappas-core, python3"),
    Package("rpicam-apps-hailo-postprocess", "1.10.0-1", "camera post-processing on Hailo devices"),
)

# Without the compiler and the kernel's sources that the real ones need: nothing is compiled for an emulated
# device. The epoch makes apt prefer this dkms to Debian's.
_BUILD = (
    Package("dkms", "1:3.2.2-1", "Dynamic Kernel Module System"),
    Package("linux-image-rpi-2712", "1:6.12.47-1+rpt1", "kernel for the Raspberry Pi 5"),
    Package("linux-headers-rpi-2712", "1:6.12.47-1+rpt1", "kernel headers for the Raspberry Pi 5"),
    Package("linux-headers-rpi-v8", "1:6.12.47-1+rpt1", "kernel headers for 64-bit Raspberry Pis"),
)

# What the vendor hands out for systems without an archive; its packages have other names than the archive's.
SUPPLIED = (
    Package(
        "hailort", RUNTIME, "HailoRT runtime and hailortcli for the Hailo-10H",
        depends="python3", conflicts="h10-hailort", fill=content.runtime,
    ),
    Package(
        "h10-hailort-pcie-driver", RUNTIME, "PCIe driver and firmware of the Hailo-10H",
        depends=f"dkms, python3, hailort (= {RUNTIME})", conflicts="hailort-pcie-driver",
        fill=partial(content.driver, RUNTIME),
    ),
)  # fmt: skip


def _hailo8(version: str) -> tuple[Package, ...]:
    """The packages of the older chip, which an operator may have installed by mistake."""
    return (
        Package("hailo-all", version, "everything for the Hailo-8", depends="hailort, hailort-pcie-driver"),
        Package("hailort", version, "HailoRT runtime for the Hailo-8"),
        Package("hailort-pcie-driver", version, "PCIe driver of the Hailo-8"),
    )


_EVERY_H10 = tuple(package for release in RELEASES for package in _h10(release))

SUITES: dict[str, tuple[Package, ...]] = {
    "trixie": (*_EVERY_H10, *_EXTRAS, *_BUILD, *_hailo8("4.23.0")),
    "bookworm": (*_BUILD, *_hailo8("4.20.0")),
}
