"""`hailo-vision support-bundle`: the state of a Pi and its service in one archive, without secrets.

It is meant to run as the service's own user, and holds nothing that this user may not read. A member that
could not be collected says why.
"""

import argparse
import io
import os
import re
import socket
import stat
import sys
import tarfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from hailo_vision import config
from hailo_vision.cli import tools
from hailo_vision.cli.client import Failed
from hailo_vision.cli.doctor import ask_own_service, examine, report
from hailo_vision.files import read_keys

_UNITS = ("hailo-vision.service", "hailo-vision.socket", "hailo-vision.slice", "hailo.slice")
_STATE = Path("/var/lib/hailo-vision")
_CREDENTIALS = Path("/run/credentials/hailo-vision.service")
_CHIP_LOGS = ("runtime", "system_control", "nnc")
_IN_USE = re.compile(r'"state": ?"(loading|ready|generating|unloading)"')
_SECONDS = 30
_LARGEST_FILE = 4 * 1024 * 1024
_SHORTEST_SECRET = 6
_HIDDEN = "(secret)"
_PATTERNS = {
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)": _HIDDEN,
    r"(?i)(\b(?:Bearer|Basic)\s+)\S+": rf"\1{_HIDDEN}",
    r"(?i)((?:password|passwd|secret|token(?!s)|api[_-]?key)[\w-]*[\"']?\s*[=:]\s*)\S+": rf"\1{_HIDDEN}",
    r"(\bhttps?://)[^/\s@]+@": rf"\1{_HIDDEN}@",
    r"(\bhttps?://[^\s?\"']+\?)[^\s\"']+": rf"\1{_HIDDEN}",
}


def support_bundle(options: argparse.Namespace) -> None:
    """Write the archive into a file that does not exist yet or, for "-", to standard output.

    Raises:
        Failed: the archive can't be written.
    """
    os.environ["HAILORT_LOGGER_PATH"] = "NONE"
    archive = pack(collect(options.config, options.lines))
    if options.output == "-":
        sys.stdout.buffer.write(archive)
        sys.stdout.buffer.flush()
        return
    name = options.output or f"hailo-vision-{socket.gethostname()}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz"
    try:
        with open(name, "xb", opener=partial(os.open, mode=0o600)) as file:
            try:
                file.write(archive)
                file.flush()
            except BaseException:
                os.unlink(name)
                raise
    except OSError as error:
        raise Failed(f"{name}: {error.strerror}") from error
    print(name)


def collect(path: Path | None, lines: int) -> dict[str, str]:
    """The archive's members, by name, without secrets."""
    try:
        settings = config.load_or_default(path)
    except config.ConfigError:
        settings = config.Config()
    keys = _keys(settings.auth)
    ask = partial(ask_own_service, settings.server, key=keys[0] if keys else "")
    health = _safely(lambda: ask("/health"))
    journal = ("journalctl", "--no-pager", f"--lines={lines}", "--output=short-iso-precise")
    sources: dict[str, Callable[[], str]] = {
        "chip.txt": lambda: _chip_logs(health),
        "configuration.yaml": lambda: read_regular(path or config.DEFAULT_PATH, follow=True),
        "doctor.txt": lambda: report(examine(path)) + "\n",
        "health.json": lambda: health,
        "journal.txt": lambda: _printed(*journal, *(f"--unit={unit}" for unit in _UNITS)),
        "kernel.txt": lambda: _printed(*journal, "--dmesg", "--grep=hailo|pcie|cma|under-?voltage|oom"),
        "memory.txt": lambda: read_regular(Path("/proc/meminfo")),
        "metrics.txt": lambda: ask("/metrics"),
        "packages.txt": lambda: _printed(
            "dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${binary:Package} ${Version}\n"
        ),
        "properties.txt": lambda: _printed("systemctl", "show", "--no-pager", *_UNITS),
        "state.txt": lambda: _printed("systemctl", "status", "--no-pager", "--lines=0", *_UNITS),
        "storage.txt": lambda: _printed("df", "--human-readable"),
        "units.txt": lambda: _printed("systemctl", "cat", "--no-pager", *_UNITS),
        "versions.txt": lambda: "".join(f"{name}: {version}\n" for name, version in _versions().items()),
    }
    found = {name: _safely(source) for name, source in sources.items()} | logs_in(_STATE)
    return {name: cut_out(text, keys) for name, text in found.items()}


def pack(members: dict[str, str]) -> bytes:
    """A compressed tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in members.items():
            data = text.encode(errors="replace")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def logs_in(folder: Path) -> dict[str, str]:
    """The logs in a folder that its owner may have put anything into."""
    return {path.name: read_regular(path) for path in sorted(folder.glob("*.log"))}


def read_regular(path: Path, *, follow: bool = False) -> str:
    """The end of a regular file, or why it is not read.

    A link could lead to anybody's file, and a FIFO would be waited for without end.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return "(no regular file)\n"
            file.seek(max(0, status.st_size - _LARGEST_FILE))
            return file.read(_LARGEST_FILE).decode(errors="replace")
    except OSError as error:
        return f"({error.strerror})\n"


def cut_out(text: str, secrets: Iterable[str]) -> str:
    """A text without the secrets, and without what looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _HIDDEN)
    for pattern, replacement in _PATTERNS.items():
        text = re.sub(pattern, replacement, text)
    return text


def _safely(source: Callable[[], str]) -> str:
    try:
        return source()
    except Exception as error:
        # Whatever is wrong with the Pi, the other members are still wanted.
        return f"({type(error).__name__}: {error})\n"


def _keys(auth: config.AuthConfig) -> list[str]:
    """The API keys that this user can read: from the configured file, or as the service's credential."""
    try:
        return read_keys(Path(auth.keys_file) if auth.keys_file else _CREDENTIALS / "api-keys")
    except (OSError, UnicodeDecodeError):
        return []


def _chip_logs(health: str) -> str:
    """The chip's own logs; a chip at work is left alone, because hailortcli can disturb it."""
    if in_use := _IN_USE.search(health):
        return f"(not asked, as the service is {in_use[1]})\n"
    return "".join(f"== {kind}\n{_printed('hailortcli', 'logs', kind)}" for kind in _CHIP_LOGS)


def _printed(*command: str) -> str:
    """What a command prints, with its status if it failed."""
    done = tools.run(*command, seconds=_SECONDS)
    return done.stdout + done.stderr + (f"(status {done.returncode})\n" if done.returncode else "")


def _versions() -> dict[str, str]:
    return tools.versions() | {"hailortcli": _printed("hailortcli", "--version").strip()}
