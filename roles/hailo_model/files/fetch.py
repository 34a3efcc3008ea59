#!/usr/bin/python3
"""Has the model file of a machine fetched by curl, and verified before it takes its place (model.py).

    fetch.py begin|fetch|look|place|restore ORDER
    fetch.py take ORDER PATH...
    fetch.py follow ORDER SECONDS [UNIT]

The unit hailo-model.service runs it on a Pi, and the role hailo_model on a controller: the standard library
only, with model.py, hef.py and hailo_disk.py beside it. ORDER is a JSON file with the fields of model.Order,
for root's eyes alone: an address may have secrets in it.
"""

import contextlib
import email
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hailo_disk
import hef
import model
from model import ADDRESS, Failure, Order, Unfit, beside, load, save

WANTED = Path("/run/hailo-model.wanted")  # lets the unit start although a model is in place
SYNCED_STEP = 64 << 20  # after a loss of power a transfer goes on where the file is known to be whole
LONGEST_PAUSE = 60
LOOK_SECONDS = 0.25
GIVEN_UP = 2
GOES_ON = "It goes on from there."
RESTART = "Start it again: sudo systemctl restart hailo-model.service"


class Interrupted(Failure):
    """A transfer ended early; another try goes on where it stopped."""


def size_of(path: Path) -> int:
    """Length of a file in bytes, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def curl(order: Order, options: dict[str, Any], enough: Callable[[], bool]) -> None:
    """Run curl until it ends, or until enough(), which is asked now and then.

    Raises:
        Interrupted: another try may help.
        Failure: it won't.
        OSError: the disk is full.
    """
    options |= {"url": order.url, "proto": "=http,https", "user-agent": "hailo-vision", "proxy": order.proxy}
    options |= {"connect-timeout": order.timeout, "speed-time": order.timeout, "speed-limit": 1}
    lines = ["fail", "location", "silent", "show-error", "suppress-connect-headers"]
    for name, value in options.items():
        lines += [] if value is None else [f"{name} = {json.dumps(str(value), ensure_ascii=False)}"]
    # Everybody can read the words of a command, and nobody else what it reads from a pipe.
    command, pipe = ["curl", "--disable", "--config", "-"], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, encoding="utf-8") as process:
        try:
            process.stdin.write("\n".join(lines))
            while process.returncode is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    reason = process.communicate(timeout=LOOK_SECONDS)[1].strip().rpartition("\n")[2]
                if process.returncode is None and enough():
                    return
        finally:
            process.kill()
    if process.returncode == 0:
        return
    answered = re.search(r"error: (\d{3})$", reason)
    if answered:
        passing = answered[1] in ("408", "429") or answered[1] >= "500"
        raise (Interrupted if passing else Failure)(f"{order.shown_url} answered {answered[1]}.", ADDRESS)
    if process.returncode in (1, 3):
        raise Failure(f"{order.shown_url} is no address of a file: {reason}.", ADDRESS)
    if process.returncode == 23:
        raise OSError(errno.ENOSPC, "No space left on device")
    raise Interrupted(f"{order.shown_url} can't be had: {reason}.", "Check network, name server and address.")


def probe(order: Order) -> tuple[int, str]:
    """The length of the file at the address, and what tells it from another one; its header is verified."""
    with tempfile.TemporaryDirectory() as folder:
        head, dumped = Path(folder, "head"), Path(folder, "headers")
        head.touch()
        options = {"range": f"0-{hef.HEADER_BYTES - 1}", "output": head, "dump-header": dumped}
        # A server that knows no ranges sends everything.
        curl(order, options, lambda: size_of(head) > hef.HEADER_BYTES)
        model.require_fit(order, head)
        answer = dumped.read_text("latin-1").replace("\r\n", "\n").rstrip().rpartition("\n\n")[2]
    headers = email.message_from_string(answer.partition("\n")[2])
    total = (headers["Content-Range"] or "").rpartition("/")[2] or headers["Content-Length"] or ""
    if not total.isdigit():
        raise Failure(
            f"{order.shown_url} does not tell the file's length, so that it can't be verified.",
            "Use a server that does.",
        )
    validator = headers["ETag"] or headers["Last-Modified"] or ""
    # A weak one does not stand for the very bytes, and may not be asked with (RFC 9110, 13.1.5).
    return int(total), "" if validator.startswith("W/") else validator


class Transfer:
    """What is being fetched, and what is told of it in .F.part.json.

    The service reads there: total, and problem with its message, cure and whether it is unfit.
    """

    def __init__(self, order: Order) -> None:
        self.order, self.part = order, beside(order.path, "part")
        self.path = beside(self.part, "json")
        self.state = load(self.path)

    def tell(self, **changes: Any) -> None:
        """Record what has changed."""
        self.state |= changes
        try:
            save(self.path, self.state)
        except OSError as error:
            if error.errno != errno.ENOSPC or not self.path.exists():
                raise
            # That the disk is full fits where something is already.
            with self.path.open("r+", encoding="utf-8") as file:
                file.write(json.dumps(self.state))
                file.truncate()

    def run(self) -> None:
        """Fetch what is missing; Interrupted if fewer bytes came than were announced."""
        total, validator = probe(self.order)
        source = {"identity": self.order.identity, "total": total, "validator": validator}
        same = source.items() <= self.state.items() and size_of(self.part) <= total
        offset = min(int(self.state.get("synced") or 0), size_of(self.part)) if same else 0
        if offset:
            os.truncate(self.part, offset)  # the rest may have holes
        else:
            self.part.unlink(missing_ok=True)
        self.tell(**source, synced=offset, problem=None)
        folder = self.part.parent
        free, missing = shutil.disk_usage(folder).free, total - offset
        if free < missing:
            raise Failure(
                f"{folder} has {free / 1e9:.1f} GB free and the model needs {missing / 1e9:.1f} GB more.",
                "Make room on that disk.",
            )
        options = {"output": self.part, "continue-at": "-", "limit-rate": self.order.limit_rate}
        if offset and validator:
            options["header"] = f"If-Range: {validator}"
        reason = ""
        try:
            if offset < total:
                curl(self.order, options, self._enough)
        except Interrupted as error:
            if "byte ranges" in str(error):  # it can't resume, or has another file by now
                self.part.unlink()
            if size_of(self.part) <= offset:
                raise
            reason = error.told["message"].removeprefix(self.order.shown_url)
        finally:
            self._keep()
        if size_of(self.part) != total:
            told = f"The transfer ended at {size_of(self.part)} of {total} bytes. {reason}".strip()
            raise Interrupted(told, GOES_ON)

    def _enough(self) -> bool:
        """Never, but a time to look how far it is."""
        if size_of(self.part) - self.state["synced"] >= SYNCED_STEP:
            self._keep()
            print(f"{self.state['synced'] / self.state['total']:.0%} is here", flush=True)
        return False

    def _keep(self) -> None:
        """Wait until what has come is on the disk, and record how much that is."""
        if size := size_of(self.part):
            hailo_disk.sync(str(self.part))
        self.tell(synced=size)


def is_wanted(order: Order, path: Path) -> bool:
    """Whether a file that somebody else brought is the one wanted, by its header and its length."""
    if not (order.sha256 or hef.sdk_version(path) == order.runtime):
        return False
    try:
        length = probe(order)[0] if order.url else hef.announced_size(path)
    except Interrupted:  # nobody can be asked
        length = hef.announced_size(path)
    except Failure:
        return False
    return length == size_of(path)


def adopt(order: Order) -> bool:
    """Record a file that somebody else put in place, if it is the one wanted."""
    with contextlib.suppress(Failure):
        if is_wanted(order, order.path):
            save(beside(order.path, "json"), model.verify(order, order.path))
            return True
    return False


def take(order: Order, *paths: str) -> bool:
    """Use one of the files that other programs brought instead of fetching the model; whether one was.

    What lies below the model's own folder is linked, which takes neither time nor room; others keep theirs.
    """
    part = beside(order.path, "part")
    for source in map(Path, paths if model.look(order)["reason"] else ()):
        if not source.is_file() or not is_wanted(order, source):
            continue
        part.unlink(missing_ok=True)
        try:
            if order.path.parent in source.parents:
                os.link(source, part, follow_symlinks=False)
            else:
                shutil.copyfile(source, part, follow_symlinks=False)
            if part.is_symlink():
                raise Unfit(f"{source} is a link.", "Name a file.")
            # Before it is verified: who owns a file can change it.
            os.chown(part, os.geteuid(), os.getegid())
            model.stage(order, part)
            return True
        except (Failure, OSError) as error:
            print(f"{source} is not used: {error}", file=sys.stderr)
            part.unlink(missing_ok=True)
    return False


def bring(transfer: Transfer) -> None:
    """Have the whole file, over as many tries as it takes; while a model is in place, not over too many."""
    order, tries = transfer.order, 0
    while True:
        before = size_of(transfer.part)
        try:
            return transfer.run()
        except OSError as error:
            reason = f"The model file can't be stored in {order.path.parent}: {error.strerror or error}."
            failure = Failure(reason, "Check the disk and the permissions of the folder.")
        except Failure as error:
            failure = error
        tries = 1 if size_of(transfer.part) > before else tries + 1
        lasting = not isinstance(failure, Interrupted) or tries > order.retries
        transfer.tell(problem=failure.told, lasting=lasting)
        if isinstance(failure, Unfit) or (lasting and order.path.exists()):
            raise failure
        pause = min(2 ** (tries - 1), LONGEST_PAUSE)
        print(f"{failure} The next try is in {pause} s.", flush=True)
        time.sleep(pause)


def begin(order: Order) -> None:
    """Say that a transfer is at work before there is anything of it, and nothing of what failed earlier."""
    Transfer(order).tell(problem=None, lasting=False)


def fetch(order: Order) -> None:
    """Have the model in place, or waiting for its turn where another one is in place."""
    transfer, reason = Transfer(order), model.look(order)["reason"]
    try:
        if reason and (reason != "it was not verified yet" or not adopt(order)):
            print(f"Fetching {order.identity}: {reason}", flush=True)
            if order.url:
                bring(transfer)
            elif not transfer.part.exists():
                raise Unfit("The deployment hands this model over.", "Run the playbook again.")
            model.stage(order, transfer.part)
            print("The model is here and verified.", flush=True)
        elif not order.path.exists():
            model.place(order)
    except Failure as failure:
        if isinstance(failure, Unfit):
            transfer.part.unlink(missing_ok=True)
        transfer.tell(problem=failure.told, lasting=True)
        raise
    except SystemExit:
        stopped = Interrupted("The transfer was stopped.", RESTART).told
        transfer.tell(problem=transfer.state.get("problem") or stopped)
        raise
    transfer.part.unlink(missing_ok=True)
    transfer.path.unlink(missing_ok=True)


def sweep(order: Order, waits: bool) -> bool:
    """Remove what earlier orders left behind, as the model wanted is here; whether there was any.

    A model that somebody else put in place becomes root's, for the service to read.
    """
    suffixes = ["part", "part.json"] if waits else ["part", "part.json", "next", "next.json"]
    left = [path for suffix in suffixes if (path := beside(order.path, suffix)).exists()]
    for path in left:
        path.unlink()
    info = order.path.stat() if order.path.exists() else None
    closed = info and (info.st_uid, stat.S_IMODE(info.st_mode)) != (os.geteuid(), 0o644)
    if closed:
        hailo_disk.give(str(order.path), 0o644, os.geteuid(), os.getegid())
    return bool(left or closed)


def follow(order: Order, seconds: str, unit: str = "") -> dict[str, Any]:
    """Have the model fetched, by the unit or by a process of this one, and look on for a while.

    Returns:
        what look() says, and whether it changed; or how far it is (bytes done, in all); or why it failed.
    """
    found, transfer = model.look(order), Transfer(order)
    if not found["reason"]:
        return {**found, "changed": sweep(order, found["waits"])}
    own = None
    if unit:
        WANTED.touch()
        subprocess.run(["systemctl", "start", unit], check=False)
    else:
        begin(order)
        own = subprocess.Popen([sys.executable, "-B", __file__, "fetch", sys.argv[2]], stdout=sys.stderr)

    def works() -> bool:
        asked = ["systemctl", "--quiet", "is-active", unit]
        return own.poll() is None if own else subprocess.run(asked, check=False).returncode == 0

    deadline = time.monotonic() + float(seconds)
    while (working := works()) and time.monotonic() < deadline and not load(transfer.path).get("lasting"):
        time.sleep(LOOK_SECONDS)
    state = load(transfer.path)
    if own:
        own.terminate()
        own.wait()
    now = model.look(order)
    if working and now["reason"] and not state.get("lasting"):
        return {"changed": True, "progress": [size_of(transfer.part), state.get("total", 0)]}
    WANTED.unlink(missing_ok=True)
    if now["reason"]:
        problem = state.get("problem") or model.unexplained(order)
        return {"failed": True, "msg": "{message} {cure}".format(**problem)}
    sweep(order, now["waits"])
    return {**now, "changed": True, "reason": found["reason"]}


def main(name: str, source: str, *rest: str) -> int:
    """Run one verb; the exit status is 2 where another run would end alike."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.umask(0o022)
    order = Order.read(source)
    functions = (begin, fetch, take, follow, model.look, model.place, model.restore)
    verbs = {function.__name__: function for function in functions}
    try:
        with open(source, encoding="utf-8") as lock:
            if name in ("fetch", "take"):
                fcntl.flock(lock, fcntl.LOCK_EX)  # of two that fetch the same, the second finds it there
            result = verbs[name](order, *rest)
        if result is not None:
            print(json.dumps(result))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return GIVEN_UP
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
