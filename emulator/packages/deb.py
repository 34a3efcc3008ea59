"""Building one .deb."""

import subprocess
import tempfile
from pathlib import Path

from emulator.packages.catalogue import Package


def build(package: Package, folder: Path) -> Path:
    """Build a package into a folder and return the file.

    Raises:
        subprocess.CalledProcessError: dpkg-deb refused it.
    """
    target = folder / f"{package.name}_{package.version.rpartition(':')[2]}_all.deb"
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(package.control())
        if package.fill is not None:
            package.fill(root)
        for path in root.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(target)],
            check=True, capture_output=True,
        )  # fmt: skip
    return target
