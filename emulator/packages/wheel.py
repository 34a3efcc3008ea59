"""HailoRT's Python bindings as a wheel, as the vendor hands them out for systems without packages."""

import base64
import hashlib
import platform
import tempfile
import zipfile
from pathlib import Path

from emulator.packages import content

_REQUIRES = ('numpy<2; python_version < "3.13"', "jinja2", "netaddr")


def build(version: str, python: str, folder: Path) -> Path:
    """Build the wheel for a Python such as 311 and this machine's architecture; return the file."""
    tag = f"cp{python}-cp{python}-linux_{platform.machine()}"
    info = f"hailort-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        "Name: hailort",
        f"Version: {version}",
        "Summary: Emulated: a stand-in made by the Hailo Vision repository for its tests",
        *(f"Requires-Dist: {requirement}" for requirement in _REQUIRES),
    ]
    about = ["Wheel-Version: 1.0", "Generator: emulator.packages", "Root-Is-Purelib: false", f"Tag: {tag}"]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"hailort-{version}-{tag}.whl"
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        root = Path(scratch)
        content.package(version, root)
        (root / info).mkdir()
        (root / info / "METADATA").write_text("\n".join(metadata) + "\n")
        (root / info / "WHEEL").write_text("\n".join(about) + "\n")
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        record = [_line(path, root) for path in paths] + [f"{info}/RECORD,,"]
        for path in paths:
            file.write(path, path.relative_to(root))
        file.writestr(f"{info}/RECORD", "\n".join(record) + "\n")
    return target


def _line(path: Path, root: Path) -> str:
    data = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{path.relative_to(root)},sha256={digest},{len(data)}"
