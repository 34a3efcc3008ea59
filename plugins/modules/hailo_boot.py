#!/usr/bin/python
"""Keep settings in the files that a Raspberry Pi's firmware reads at boot.

M(ansible.builtin.blockinfile) and M(ansible.builtin.replace) do not know which words of cmdline.txt are ours,
take no file that is not UTF-8, and do not wait for the disk: without these files a Pi does not boot.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import hailo_boot as boot
from ..module_utils import hailo_disk

DOCUMENTATION = r"""
module: hailo_boot
short_description: Keep settings in config.txt and cmdline.txt of a Raspberry Pi
description:
  - Keeps lines in a marked block of config.txt and words in the one line of cmdline.txt, in the folder that
    the firmware reads. Everything else in these files is left as it is.
  - Takes away what it added before and what is no longer wanted. Words that somebody else put there stay.
  - Before its first change it copies a file to one of the same name with C(.before-hailo) added; the copy
    goes when the last of its changes does.
  - Remembers in C(/var/lib/hailo-driver/boot.json) what it added, and that the change waits for a boot.
options:
  config:
    description: Lines for config.txt.
    type: list
    elements: str
    default: []
  cmdline:
    description: Words for cmdline.txt.
    type: list
    elements: str
    default: []
"""

RETURN = r"""
folder:
  description: Where the files are.
  returned: always
  type: str
"""

KEPT = ".before-hailo"


def replace(path: str, text: str, like: str = "") -> None:
    """Replace a file, or make one like another: without these files a Pi does not boot.

    The boot partition is FAT as a rule, which knows no owners and modes and refuses to set them.
    """
    mode = os.stat(like or path).st_mode & 0o777

    def finish(new: str) -> None:
        with contextlib.suppress(PermissionError):
            os.chmod(new, mode)

    hailo_disk.write(path, text, finish)


def remember(known: dict[str, Any]) -> None:
    """Write the record."""
    folder = os.path.dirname(boot.RECORD)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o755)
        hailo_disk.sync(os.path.dirname(folder))
    hailo_disk.write(boot.RECORD, json.dumps(known), lambda new: os.chmod(new, 0o644))


def apply(path: str, text: str, ours: bool) -> None:
    """Replace one file; keep what it was before the first change, until nothing of ours is in it."""
    if not os.path.exists(path + KEPT):
        replace(path + KEPT, boot.read(path), path)
    replace(path, text)
    if not ours:
        hailo_disk.unlink(path + KEPT)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "list", "elements": "str", "default": []},
            "cmdline": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    lines, words = module.params["config"], module.params["cmdline"]
    place, known = boot.folder(), boot.record()
    if not place:
        module.fail_json(msg=f"There is no config.txt with a cmdline.txt in {' or '.join(boot.FOLDERS)}.")
    config, cmdline = f"{place}/config.txt", f"{place}/cmdline.txt"
    before = {path: boot.read(path) for path in (config, cmdline)}
    stale = [word for word in known["words"] if word not in words]
    try:
        after = {
            config: boot.with_block(before[config], lines),
            cmdline: boot.with_words(before[cmdline], words, stale),
        }
    except boot.Broken as error:
        module.fail_json(msg=f"{place}: {error}")
    present = boot.words(before[cmdline])
    added = [word for word in words if word in known["words"] or word not in present]
    running = boot.running()
    changed = [path for path in (config, cmdline) if before[path] != after[path]]
    waits = config in changed or not set(words) <= set(running) or bool(set(stale) & set(running))
    this_boot = boot.boot_id() if waits else known["boot_id"]
    if changed and not module.check_mode:
        try:
            # First of all: words that are in the file and in no record would never be taken out.
            remember({"words": sorted({*added, *stale}), "boot_id": this_boot})
            for path in changed:
                apply(path, after[path], bool(lines if path == config else added))
            if stale:
                remember({"words": added, "boot_id": this_boot})
        except OSError as error:
            # What was not written waits for no boot.
            if all(boot.read(path) == text for path, text in before.items()):
                remember(known)
            module.fail_json(msg=f"{error.filename or place}: {error.strerror}")
    diff = [
        {"before_header": path, "after_header": path, "before": before[path], "after": after[path]}
        for path in changed
    ]
    module.exit_json(changed=bool(changed), folder=place, diff=diff)


if __name__ == "__main__":
    main()
