"""What the firmware of a Raspberry Pi reads at boot: config.txt and cmdline.txt, and what of them is ours."""

from __future__ import annotations

import json
import os
import re
from typing import Any

FOLDERS = ("/boot/firmware", "/boot")
RECORD = "/var/lib/hailo-driver/boot.json"
BEGIN = "# BEGIN hailo_driver, kept by Ansible"
END = "# END hailo_driver"
# A conditional filter further up, such as [cm5], would hold for the block, too.
_HEAD = [BEGIN, "[all]"]


class Broken(Exception):
    """A file can't be understood; the text says why."""


def read(path: str) -> str:
    """The text of a file, empty if it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError:
        return ""


def folder() -> str:
    """Where the firmware looks: /boot/firmware since Bookworm, /boot before; empty if neither has them.

    On the newer systems /boot holds files of the same names that only tell where the others are.
    """
    for place in FOLDERS:
        if all(os.path.isfile(os.path.join(place, name)) for name in ("config.txt", "cmdline.txt")):
            return place
    return ""


def block(text: str) -> list[str]:
    """The lines between our marks in config.txt.

    Raises Broken if one of the marks was taken away.
    """
    lines = text.splitlines()
    if BEGIN not in lines and END not in lines:
        return []
    if lines.count(BEGIN) != 1 or lines.count(END) != 1 or lines.index(BEGIN) > lines.index(END):
        raise Broken(f'config.txt needs both of the lines "{BEGIN}" and "{END}", in this order, or neither.')
    return lines[lines.index(BEGIN) + len(_HEAD) : lines.index(END)]


def with_block(text: str, lines: list[str]) -> str:
    """config.txt with these lines between our marks, where they were or at the end; no lines, no marks."""
    block(text)
    body = "".join(f"{line}\n" for line in [*_HEAD, *lines, END]) if lines else ""
    pattern = re.compile(rf"^{re.escape(BEGIN)}$.*?^{re.escape(END)}$\n?", re.MULTILINE | re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _: body, text)
    return (text if text.endswith("\n") or not text or not body else text + "\n") + body


def words(text: str) -> list[str]:
    """The kernel's parameters in cmdline.txt, of which only the first line counts."""
    return text.partition("\n")[0].split()


def with_words(text: str, add: list[str], remove: list[str]) -> str:
    """cmdline.txt without some words and with others, each once at the end of its line."""
    line, newline, rest = text.partition("\n")
    for word in remove:
        line = re.sub(rf"(?:^|\s+){re.escape(word)}(?=\s|$)", "", line)
    for word in add:
        if word not in line.split():
            line = f"{line.rstrip()} {word}".lstrip()
    return line + newline + rest


def running() -> list[str]:
    """The words that the kernel was booted with."""
    return read("/proc/cmdline").split()


def boot_id() -> str:
    """What tells this boot from every other."""
    return read("/proc/sys/kernel/random/boot_id").strip()


def record() -> dict[str, Any]:
    """What was added to cmdline.txt, and in which boot something was changed that the next will bring."""
    try:
        found = json.loads(read(RECORD))
    except ValueError:
        found = {}
    return {"words": list(found.get("words", [])), "boot_id": str(found.get("boot_id", ""))}


def look() -> dict[str, Any]:
    """All of this as facts."""
    place, known = folder(), record()
    try:
        lines = block(read(f"{place}/config.txt")) if place else []
    except Broken:
        lines = []
    return {
        "folder": place,
        "config": lines,
        "cmdline": words(read(f"{place}/cmdline.txt")) if place else [],
        "added": known["words"],
        "running": running(),
        "pending": known["boot_id"] != "" and known["boot_id"] == boot_id(),
    }
