"""Whether the files of a site bundle are those that were put into it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

SUMS = "SHA256SUMS"


def faults(folder: str) -> list[str]:
    """What is wrong with a site bundle, in sentences that name the file; none if all is right.

    Args:
        folder: with a file SHA256SUMS as sha256sum writes it.
    """
    try:
        lines = Path(folder, SUMS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        return [f"{folder} is no site bundle, as {SUMS} can't be read there: {error.strerror}."]
    return [fault for line in lines if (fault := _fault(Path(folder), *line.split("  ", 1)))]


def _fault(folder: Path, digest: str, name: str) -> str:
    try:
        with (folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"{name} of the site bundle {folder} can't be read: {error.strerror}. Copy it again."
    return "" if found == digest else f"{name} of the site bundle {folder} is damaged or cut. Copy it again."


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"hailo_bundle_faults": faults}
