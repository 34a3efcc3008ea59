"""What is to be written so that the files that a Raspberry Pi's firmware reads have the role's settings.

Everything else in them stays. Without these files a Pi does not boot: hailo_paths writes them, as no builtin
module that changes parts of a file waits for the disk.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

CONFIG = "config.txt"
CMDLINE = "cmdline.txt"
BEGIN = "# BEGIN hailo_driver, kept by Ansible"
END = "# END hailo_driver"
# Added to a file's name for its text before the first change.
KEPT = ".before-hailo"
STATE = "/var/lib/hailo-driver"
RECORD = f"{STATE}/boot.json"
ROOM = 1_000_000

Item = dict[str, Any]


def plan(boot: Mapping[str, Any], lines: list[str], words: list[str]) -> dict[str, Any]:
    """What brings the files to these settings.

    Args:
        boot: what hailo_facts found.
        lines: for config.txt, in a block between our marks.
        words: for the one line of cmdline.txt. Those that somebody else put there stay when they go here.

    Returns:
        ``steps``, lists of paths for hailo_paths, each to be on the disk before the next; ``fault``, a
        sentence if the files can't be changed; ``ignored``, words that the kernel was booted without.
    """
    files, known = boot["files"], boot["record"]["words"]
    config, cmdline = (files.get(name, {}).get("content") for name in (CONFIG, CMDLINE))
    fault = _fault(config, cmdline)
    if fault:
        return {"steps": [], "fault": fault if lines or words or known else "", "ignored": []}
    present = cmdline.partition("\n")[0].split()
    added = [word for word in words if word in known or word not in present]
    stale = [word for word in known if word not in words]
    ours = {CONFIG: lines, CMDLINE: added}
    texts = {CONFIG: _with_block(config, lines), CMDLINE: _with_words(cmdline, words, stale)}
    changed = [name for name in texts if texts[name] != files[name]["content"]]
    gone = [name for name in texts if not ours[name] and (name in changed or name in boot["kept"])]
    waits = CONFIG in changed or (set(words) - set(boot["running"])) or set(stale) & set(boot["running"])
    this_boot = boot["id"] if changed and waits else boot["record"]["boot_id"]
    paths = {name: f"{boot['folder']}/{name}" for name in texts}
    steps: list[list[Item]] = [
        [{**files[name], "path": paths[name] + KEPT} for name in changed if name not in boot["kept"]],
        # Words that are in the file and in no record would never be taken out.
        _record({*added, *stale}, this_boot) if changed or stale else [],
        [{**files[name], "path": paths[name], "content": texts[name]} for name in changed]
        + [{"path": paths[name] + KEPT, "state": "absent"} for name in gone],
        _record(added, this_boot) if stale else [],
    ]
    if changed and boot["room"] < ROOM:
        fault = (
            f"{boot['folder']} is full, or mounted read-only. Remove from it what you have put there, or run "
            f'"sudo mount -o remount,rw {boot["folder"]}".'
        )
    ignored = [word for word in words if word in present and word not in boot["running"]]
    return {"steps": [step for step in steps if step], "fault": fault, "ignored": ignored}


def _fault(config: str | None, cmdline: str | None) -> str:
    """Why these files can't be changed."""
    if config is None or cmdline is None:
        return (
            "hailo_driver_boot_config or hailo_driver_boot_cmdline is set, and neither /boot/firmware nor "
            "/boot has the config.txt and cmdline.txt of a Raspberry Pi, in UTF-8. Leave both empty "
            "on another system."
        )
    marks = [line for line in config.splitlines() if line in (BEGIN, END)]
    if marks not in ([], [BEGIN, END]):
        return f'config.txt needs both of the lines "{BEGIN}" and "{END}", in this order, or neither.'
    return ""


def _with_block(text: str, lines: list[str]) -> str:
    """config.txt with these lines between our marks, where they were or at the end; no lines, no marks."""
    # A conditional filter further up, such as [cm5], would hold for the block, too.
    body = "".join(f"{line}\n" for line in [BEGIN, "[all]", *lines, END]) if lines else ""
    pattern = re.compile(rf"^{re.escape(BEGIN)}\r?$.*?^{re.escape(END)}\r?$\n?", re.MULTILINE | re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _: body, text)
    return (text if text.endswith("\n") or not text or not body else text + "\n") + body


def _with_words(text: str, add: list[str], remove: list[str]) -> str:
    """cmdline.txt without some words and with others, each once at the end of its first line."""
    line, newline, rest = text.partition("\n")
    for word in remove:
        line = re.sub(rf"(?:^|\s+){re.escape(word)}(?=\s|$)", "", line)
    for word in add:
        if word not in line.split():
            line = f"{line.rstrip()} {word}".lstrip()
    return line + newline + rest


def _record(words: Iterable[str], boot_id: str) -> list[Item]:
    """What was added to cmdline.txt, and the boot after whose end the changes are in force."""
    content = json.dumps({"words": sorted(words), "boot_id": boot_id})
    return [{"path": STATE, "state": "directory"}, {"path": RECORD, "content": content}]
