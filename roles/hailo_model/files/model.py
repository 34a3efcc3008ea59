"""The model file of one machine: which one is wanted, whether it is there, and its change of place.

Beside a model file F lie its record .F.json, a verified one that waits for its turn (.F.next), and the former
one until the new one has proved itself (.F.former). fetch.py adds .F.part, what is being fetched.
"""

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import hailo_disk
import hef

ADDRESS = "Is the mirror's address right?"


class Failure(Exception):
    """The file can't be had, whichever step found that out; the message says why, the cure what helps."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message} {cure}")
        self.told = {"message": message, "cure": cure, "unfit": isinstance(self, Unfit)}


class Unfit(Failure):
    """The file is not what is wanted; another try would bring the same."""


@dataclass(frozen=True)
class Order:
    """What is wanted, and where.

    Attributes:
        path: where the model belongs.
        identity: name of the very file wanted, the same for all mirrors.
        url: an http or https address; None if the file is handed over as .F.part.
        runtime: version of the HailoRT that is to load it, empty if that does not matter.
        sha256: what the file must have, in hexadecimal.
        timeout: seconds without a byte after which a transfer counts as interrupted.
        retries: how often in a row a transfer that brought nothing is tried again.
        limit_rate, proxy: as curl takes them.
    """

    path: Path
    identity: str
    url: str | None = None
    runtime: str = ""
    sha256: str | None = None
    timeout: int = 30
    retries: int = 5
    limit_rate: str | None = None
    proxy: str | None = None

    @classmethod
    def read(cls, source: str) -> Self:
        """The order in a file."""
        fields = json.loads(Path(source).read_text(encoding="utf-8"))
        return cls(**{**fields, "path": Path(fields["path"])})

    @property
    def shown_url(self) -> str:
        """The address without what may be secret in it."""
        return re.sub(r"^(\w+://)?(?:[^/]*@)?([^?#]*).*$", r"\1\2", self.url or "")


def unexplained(order: Order) -> dict[str, str]:
    """Why a transfer ended that could not even write down why."""
    folder = order.path.parent
    if shutil.disk_usage(folder).free < 1_000_000:
        return {"message": f"The disk of {folder} is full.", "cure": "Make room there and run again."}
    return {"message": "The transfer ended.", "cure": "See its journal: journalctl --unit=hailo-model."}


def beside(path: Path, suffix: str) -> Path:
    """A file that belongs to another."""
    return path.with_name(f".{path.name.lstrip('.')}.{suffix}")


def load(path: Path) -> dict[str, Any]:
    """A recorded dictionary, empty if there is none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def save(path: Path, record: dict[str, Any]) -> None:
    """Record a dictionary at once or not at all, also when the power fails; for everybody to read."""
    hailo_disk.write(str(path), json.dumps(record), 0o644)


def move(source: Path, target: Path) -> None:
    """Give a model file another name, and its record with it."""
    source.replace(target)
    if beside(source, "json").exists():
        beside(source, "json").replace(beside(target, "json"))
    hailo_disk.sync(str(target.parent))


def require_fit(order: Order, path: Path) -> str:
    """The compiler's version in a file's header, empty if it names none.

    Raises:
        Failure: it is no HEF.
        Unfit: the HailoRT that is to load it refuses it.
    """
    if not hef.has_magic(path):
        with path.open("rb") as file:
            start = file.read(20)
        name, cure = (order.shown_url, ADDRESS) if order.url else (path, "Name another file.")
        raise Failure(f"{name} is no HEF: it starts with {start!r}.", cure)
    if hef.format_version(path) < hef.OLDEST_FORMAT:
        raise Unfit(
            f"The model is a HEF of format {hef.format_version(path)} and HailoRT reads {hef.OLDEST_FORMAT}.",
            "Name the address of a model that was compiled for the Hailo-10H.",
        )
    version = hef.sdk_version(path) or ""
    if version and order.runtime and hef.is_newer(version, order.runtime):
        raise Unfit(
            f"The model was compiled by {version} and HailoRT {order.runtime} refuses newer models.",
            "Name the address of the model that was compiled for the installed version.",
        )
    return version


def verify(order: Order, path: Path) -> dict[str, Any]:
    """The record of a whole file; raises what require_fit() does, and Unfit for another checksum."""
    version = require_fit(order, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if order.sha256 and digest != order.sha256.lower():
        raise Unfit(
            f"The model's SHA-256 is {digest} and not {order.sha256}.", "Correct the address or the checksum."
        )
    size, announced = path.stat().st_size, hef.announced_size(path)
    if announced is not None and size < announced:
        raise Unfit(
            f"The model has {size} of the {announced} bytes that its header announces.",
            "The copy at that address is not whole: name another one.",
        )
    return {"identity": order.identity, "size": size, "sdk_version": version, "sha256": digest}


def why_not(order: Order, path: Path) -> str:
    """Why a file is not the model wanted; empty if it is."""
    record = load(beside(path, "json"))
    if not path.exists():
        return "it is missing"
    if not hef.has_magic(path):
        return "it is no HEF"
    if not record:
        return "it was not verified yet"
    if path.stat().st_size != record.get("size"):
        return "its length changed"
    if record.get("identity") != order.identity:
        return f"{order.identity} is wanted instead of {record.get('identity')}"
    if order.sha256 and order.sha256.lower() != record.get("sha256"):
        return "another checksum is wanted"
    return ""


def look(order: Order) -> dict[str, Any]:
    """Why the model wanted must be fetched, empty if not; whether it waits for its turn or for its proof."""
    staged = is_staged(order)
    reason = "" if staged else why_not(order, order.path)
    return {"reason": reason, "waits": staged or (not reason and beside(order.path, "former").exists())}


def is_staged(order: Order) -> bool:
    """Whether the model wanted waits beside the one in place."""
    return not why_not(order, beside(order.path, "next"))


def stage(order: Order, part: Path) -> None:
    """Verify a whole file and let it wait for its turn, which comes at once where there is no model."""
    record, waiting = verify(order, part), beside(order.path, "next")
    waiting.unlink(missing_ok=True)
    save(beside(waiting, "json"), record)
    part.chmod(0o644)
    hailo_disk.sync(str(part))
    part.replace(waiting)
    if not order.path.exists():
        place(order)


def place(order: Order) -> bool:
    """Put in place what waits, and keep the former model until it is known what becomes of the new one."""
    former, staged = beside(order.path, "former"), is_staged(order)
    if staged and order.path.exists() and not former.exists():
        os.link(order.path, former)
        beside(former, "json").unlink(missing_ok=True)
        if beside(order.path, "json").exists():
            os.link(beside(order.path, "json"), beside(former, "json"))
    if staged:
        move(beside(order.path, "next"), order.path)
    return staged


def restore(order: Order) -> bool:
    """Put the former model back in place; the other one waits again."""
    former = beside(order.path, "former")
    found = former.exists()
    if found and order.path.exists():
        move(order.path, beside(order.path, "next"))
    if found:
        move(former, order.path)
    return found
