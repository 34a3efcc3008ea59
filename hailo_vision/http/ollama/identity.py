"""The identity of the served model: its file's size, date and checksum."""

import contextlib
import hashlib
import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from sanic import Request

from hailo_vision.files import require_regular
from hailo_vision.inference.service import Service
from hailo_vision.tuning import run_in_background

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """Attributes:
    size: of the model's file in bytes; 0 while there is none.
    modified_at: of the file; the service's start while there is none.
    digest: 64 hexadecimal digits: SHA-256 of the file or, until that is known, of the model's name.
    """

    size: int
    modified_at: datetime
    digest: str


def identity(request: Request) -> Identity:
    """The served model's identity, without waiting for the checksum of its two gigabytes."""
    service: Service = request.app.ctx.service
    model = service.config.model
    digest = hashlib.sha256(model.name.encode()).hexdigest()
    found = service.supervisor.model_file.find()
    if found:
        with contextlib.suppress(OSError):
            status = found.stat()
            of_file = checksum(found, status.st_size, status.st_mtime_ns)
            if of_file.done() and not of_file.exception():
                digest = of_file.result()
            return Identity(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), digest)
    return Identity(0, datetime.fromtimestamp(request.app.ctx.created, UTC), digest)


@lru_cache(maxsize=1)
def checksum(path: Path, size: int, modified: int) -> "Future[str]":
    """The SHA-256 of a file of this size and age, computed once, on a thread of its own that keeps nothing
    waiting, the end of the program included."""
    future: Future[str] = Future()

    def run() -> None:
        run_in_background()
        try:
            require_regular(path)
            with path.open("rb") as file:
                future.set_result(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            log.warning("No checksum of the model file: %s", error)
            future.set_exception(error)

    threading.Thread(target=run, name="model-digest", daemon=True).start()
    return future
