"""The model file: where it is, and the progress of the unit that fetches a missing one."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from hailo_vision.config import ModelConfig
from hailo_vision.files import require_regular
from hailo_vision.npu import hef
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.protocol import Problem


@dataclass(frozen=True)
class Progress:
    """How far a transfer is, in bytes; seconds_left at its pace up to now."""

    done: int
    total: int
    seconds_left: float

    def __str__(self) -> str:
        return f"{100 * self.done // self.total}% of {self.total / 1e9:.2f} GB"


class _Obstacle(msgspec.Struct):
    """What keeps a transfer from going on; it has ended if what is at the address is unfit."""

    message: str
    cure: str
    unfit: bool


class _Transfer(msgspec.Struct):
    """What hailo-model.service reports about a transfer; total: bytes, 0 if their number is not known yet."""

    total: Annotated[int, msgspec.Meta(ge=0)] = 0
    problem: _Obstacle | None = None


class ModelFile:
    """Finds the model file, and watches while a missing one is fetched.

    Another program fetches it, hailo-model.service (roles/hailo_model/files/fetch.py). Beside a file F it
    collects the bytes in .F.part, and writes the total and what goes wrong into .F.part.json.
    """

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._began: tuple[float, int] | None = None

    def find(self) -> Path | None:
        """The file to load; None if there is none."""
        return hef.find(self._config.hef_path, self._config.name, self._config.resources_dir)

    @property
    def path(self) -> Path:
        """The file to load, or where it is missing."""
        model = self._config
        return self.find() or Path(model.resources_dir, model.hef_path or f"{model.name}.hef")

    def is_fetched(self) -> bool:
        """Whether the file is missing and a transfer of it was begun."""
        return self._transfer() is not None

    def problem(self) -> Problem | None:
        """What keeps the transfer from going on for now.

        Raises:
            NpuError: it has ended, as what is at the address is not what is wanted.
        """
        transfer = self._transfer()
        if transfer is None or transfer.problem is None:
            return None
        message, cure = transfer.problem.message, transfer.problem.cure
        if transfer.problem.unfit:
            raise NpuError(Problem("hef_unfit", message, cure, "hef"))
        return Problem("hef_fetch_failed", message, cure)

    @property
    def progress(self) -> Progress | None:
        """How far the transfer is; None if there is none, or its length is not known yet."""
        transfer = self._transfer()
        if transfer is None or not transfer.total:
            self._began = None
            return None
        total = transfer.total
        done = 0
        with contextlib.suppress(OSError):
            done = min(self._beside("part").stat().st_size, total)
        now = time.monotonic()
        began, before = self._began = self._began or (now, done)
        per_byte = (now - began) / (done - before) if done > before else 0.0
        return Progress(done, total, (total - done) * per_byte)

    def fingerprint(self) -> set[tuple[str, int, int]]:
        """Names, sizes and times of the files that tell of a model: a change is worth another try."""
        found = set()
        for path in (self.path, self._beside("part.json")):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.add((path.name, status.st_size, status.st_mtime_ns))
        return found

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{suffix}")

    def _transfer(self) -> _Transfer | None:
        """The transfer of the missing file; None if there is none."""
        if self.find() is not None:
            return None
        try:
            path = self._beside("part.json")
            require_regular(path)
            return msgspec.json.decode(path.read_bytes(), type=_Transfer)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
