"""What an operator supplies on the controller, judged before any host gets it.

No builtin module reads what a wheel or a package in a file is for, or compares many files with their sums.
"""

import email
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from .wheel import applies, sha256

SUMS = "SHA256SUMS"
DEBIAN_MAGIC = b"!<arch>\n"
TAR_END = 1024
MODULE = "hailo_platform/__init__.py"


class Unusable(Exception):
    """A file that can't be used; the text names it and says why."""


def bundle_faults(folder: object) -> list[str]:
    """What is wrong with a site bundle, in sentences that name the file; none if all is right.

    Args:
        folder: with a file SHA256SUMS as sha256sum writes it; what an operator gave as hailo_site_bundle.
    """
    if not isinstance(folder, str) or not folder:
        return [f"hailo_site_bundle is {folder!r}, and the path of a folder is needed."]
    try:
        lines = Path(folder, SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        return [f"{folder} is no site bundle, as {SUMS} can't be read there: {error.strerror}."]
    if not lines:
        return [f"{SUMS} of the site bundle {folder} is empty. Copy it again."]
    return [fault for line in lines if (fault := _bundle_fault(Path(folder), *line.partition("  ")[::2]))]


def _bundle_fault(folder: Path, digest: str, name: str) -> str:
    if not name:
        return f"{SUMS} of the site bundle {folder} is damaged or cut. Copy it again."
    try:
        found = sha256(folder / name)
    except OSError as error:
        return f"{name} of the site bundle {folder} can't be read: {error.strerror}. Copy it again."
    return "" if found == digest else f"{name} of the site bundle {folder} is damaged or cut. Copy it again."


def whole_tar(path: str) -> bool:
    """Whether a tar archive ends with its two blocks of zeros; without them tar may take half for all."""
    with Path(path).open("rb") as file:
        file.seek(-min(TAR_END, Path(path).stat().st_size), os.SEEK_END)
        return file.read() == bytes(TAR_END)


def supplied(debs: list[str], wheel: str, host: Mapping[str, str]) -> dict[str, Any]:
    """Judge the Debian packages and the wheel of HailoRT for a host whose archive has none.

    Args:
        host: its ``python``, as in 3.11, and its ``machine``, as in aarch64.

    Returns:
        ``problems``, a sentence for each file that can't be used; ``digests``, SHA-256 of each file by its
        name, so that a host that has them already is left alone; ``distribution``, what the wheel is called
        once it is installed; ``requires``, Debian packages with the Python modules that it needs.
    """
    result: dict[str, Any] = {"problems": [], "digests": {}, "distribution": "", "requires": []}
    for name in [*debs, wheel]:
        path = Path(name)
        try:
            result["digests"][path.name] = sha256(path)
            result |= _judge_wheel(path, host) if name == wheel else _judge_deb(path)
        except OSError as error:
            result["problems"].append(f"{path} can't be read on the controller: {error.strerror}.")
        except Unusable as reason:
            result["problems"].append(str(reason))
    return result


def _judge_deb(path: Path) -> dict[str, Any]:
    """See that a file is a Debian package."""
    with path.open("rb") as file:
        start = file.read(len(DEBIAN_MAGIC))
    if start != DEBIAN_MAGIC:
        raise Unusable(f"{path} is no Debian package: it starts with {start!r}.")
    return {}


def _judge_wheel(path: Path, host: Mapping[str, str]) -> dict[str, Any]:
    """See that a file is HailoRT's wheel for a host; its name and the Debian packages that it needs."""
    python, machine = host["python"], host["machine"]
    try:
        tags = parse_wheel_filename(path.name)[3]
    except InvalidWheelFilename as error:
        raise Unusable(f"{path} has no name of a wheel: {error}.") from error
    interpreters = ("py3", f"cp{python.replace('.', '')}")
    if not any(
        tag.interpreter in interpreters and (tag.platform == "any" or tag.platform.endswith(f"_{machine}"))
        for tag in tags
    ):
        found = ", ".join(sorted(map(str, tags)))
        raise Unusable(f"{path} is for {found}, and the host has Python {python} on {machine}.")
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            about = next(name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            metadata = email.message_from_bytes(file.read(about))
    except (zipfile.BadZipFile, StopIteration) as error:
        raise Unusable(f"{path} is no wheel, or not all of one.") from error
    if MODULE not in names:
        raise Unusable(f"{path} has no {MODULE}: it is not HailoRT's Python module.")
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    # Debian names its packages after the Python ones.
    requires = {
        f"python3-{re.sub('[-_.]+', '-', requirement.name).lower()}"
        for requirement in wanted
        if applies(requirement, python, machine)
    }
    return {"distribution": str(metadata["Name"]), "requires": sorted(requires)}
