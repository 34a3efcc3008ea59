"""Releases other than the checkout's, as wheels."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.conftest import TOP

REASON = "This release was broken for a test."


def wheel(folder: Path, version: str, broken: bool = False) -> Path:
    """Build a wheel of this version; a broken one fails whenever it is to serve."""
    source = folder / version
    bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TOP / "hailo_vision", source / "hailo_vision", ignore=bytecode)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, source)
    module = source / "hailo_vision" / "__init__.py"
    module.write_text(re.sub(r"(?m)^__version__ = .*$", f'__version__ = "{version}"', module.read_text()))
    if broken:
        (source / "hailo_vision" / "http" / "app.py").write_text(f'raise RuntimeError("{REASON}")\n')
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", f"--wheel-dir={source}", str(source)], check=True)
    return next(source.glob("*.whl"))
