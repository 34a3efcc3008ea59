"""Everything that the mirror serves, built once for a given state of the emulator's sources."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from emulator.packages import apps, archive, deb, wheel
from emulator.packages.catalogue import RELEASES, RUNTIME, SUPPLIED

_EMULATOR = Path(__file__).resolve().parents[1]
_SOURCES = ("packages", "hailo_platform", "bin")
BOOKWORM_PYTHON = "311"
HEF = "Qwen2-VL-2B-Instruct.hef"


@dataclass(frozen=True)
class Mirror:
    """A finished folder: apt, vVERSION/blob/FILE.hef, hailo-apps.git, hailo-apps/archive/COMMIT.tar.gz."""

    folder: Path

    @property
    def keyring(self) -> bytes:
        """The public key that the archive is signed with."""
        return (self.folder / "apt" / archive.KEYRING).read_bytes()

    @property
    def debs(self) -> list[Path]:
        """The Debian packages that the vendor hands out for a system without an archive, such as Bookworm."""
        return sorted((self.folder / "supplied").glob("*.deb"))

    @property
    def wheel(self) -> Path:
        """The Python bindings for such a system."""
        return next((self.folder / "supplied").glob("*.whl"))

    @property
    def commits(self) -> list[str]:
        """The commits of the hailo-apps repository, oldest first."""
        return list(json.loads((self.folder / "commits.json").read_text()))


def ensure(mirrors: Path) -> Mirror:
    """Return the mirror of the present sources, building it below ``mirrors`` if need be.

    Raises:
        subprocess.CalledProcessError: one of the tools failed.
    """
    folder = mirrors / _fingerprint()
    if not folder.exists():
        part = mirrors / f"{folder.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        archive.build(part / "apt")
        for release in RELEASES:
            make_hef(part / f"v{release}" / "blob" / HEF, release)
        wheel.build(RUNTIME, BOOKWORM_PYTHON, part / "supplied")
        for package in SUPPLIED:
            deb.build(package, part / "supplied")
        (part / "commits.json").write_text(json.dumps(apps.build(part)))
        part.rename(folder)
    return Mirror(folder)


def make_hef(target: Path, release: str = RUNTIME) -> None:
    """Let the emulator make its stand-in for the model's file of a HailoRT release.

    Raises:
        subprocess.CalledProcessError: it could not.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "hailo_platform._emulator.hef", "make", str(target), "--sdk-version", release],
        env={**os.environ, "PYTHONPATH": str(_EMULATOR)}, check=True, capture_output=True,
    )  # fmt: skip


def _fingerprint() -> str:
    """A name that changes with any source file, its path or its mode."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((_EMULATOR / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(_EMULATOR)} {path.stat().st_mode:o}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
