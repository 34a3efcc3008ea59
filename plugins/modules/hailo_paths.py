#!/usr/bin/python
"""Keep a list of files, folders and links as they should be, in one call.

M(ansible.builtin.copy) and M(ansible.builtin.file) take a round trip for each path, put files in place before
the next one is validated, and do not wait for the disk. Here all new contents are validated before the first
file is replaced. Every file is replaced at once, so that also after a loss of power it is the old or the new
one, and all of them within a moment.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import hailo_disk

REMOVAL_TRIES = 20
STATES = ["file", "directory", "link", "absent", "vacated"]
PATH = {
    "path": {"type": "path", "required": True},
    # "vacated" removes a folder that is empty and leaves any other.
    "state": {"type": "str", "choices": STATES, "default": "file"},
    # Text of a file; the action of this name makes it of a template. Without it only owner, group and mode of
    # an existing file are kept.
    "content": {"type": "str"},
    # The same for a text that appears in no log and no diff.
    "secret": {"type": "str", "no_log": True},
    # What a link points to.
    "target": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    # In octal. The default is 0644 for files and 0755 for folders.
    "mode": {"type": "str"},
    # Command that must accept the new file, whose path replaces %s.
    "validate": {"type": "list", "elements": "str"},
    # Unit of systemd that reads the path when it starts or reloads.
    "read_by": {"type": "str"},
    # Keep the replaced file beside the new one, with ~ added to its name.
    "backup": {"type": "bool", "default": False},
}
Item = dict[str, Any]


class Failure(Exception):
    """The list can't be brought about; the text names the path and the reason."""


def lstat(path: str) -> os.stat_result | None:
    """The path itself, not what it points to; None if there is nothing."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def leads_to_folder(path: str) -> bool:
    """Whether root has put a link to a folder here, as to a larger disk; no link of anybody else's counts."""
    info = lstat(path)
    return (
        info is not None
        and stat.S_ISLNK(info.st_mode)
        and info.st_uid == os.geteuid()
        and os.path.isdir(path)
    )


def read(path: str) -> str | None:
    """The text of a file, None if there is none."""
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def describe(path: str) -> str:
    """What is at a path now, as one line for a diff."""
    info = lstat(path)
    if info is None:
        return "absent"
    if stat.S_ISLNK(info.st_mode):
        return f"link to {os.readlink(path)}"
    kind = "directory" if stat.S_ISDIR(info.st_mode) else "file"
    owner, group = name_of(pwd.getpwuid, info.st_uid), name_of(grp.getgrgid, info.st_gid)
    return f"{kind} {owner}:{group} {stat.S_IMODE(info.st_mode):04o}"


def name_of(lookup: Callable[[int], Any], number: int) -> str:
    """Name of a user or group, or its number."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def mode(item: Item) -> int:
    """The permissions that a file or folder should have."""
    return int(item["mode"] or ("0755" if item["state"] == "directory" else "0644"), 8)


def wanted(item: Item) -> str:
    """What a path should be, in the words of describe()."""
    path, state = item["path"], item["state"]
    if state == "vacated" and not (os.path.isdir(path) and not os.listdir(path)):
        return describe(path)
    if state in ("absent", "vacated"):
        return "absent"
    if state == "link":
        return f"link to {item['target']}"
    return f"{state} {item['owner']}:{item['group']} {mode(item):04o}"


def content_differs(item: Item) -> bool:
    """Whether a file's text must be replaced."""
    return item["content"] is not None and read(item["path"]) != item["content"]


def difference(item: Item) -> dict[str, str] | None:
    """The diff of one path, None if it is as it should be."""
    linked = item["state"] == "directory" and leads_to_folder(item["path"])
    before, after = describe(os.path.realpath(item["path"]) if linked else item["path"]), wanted(item)
    rewrite = item["state"] == "file" and content_differs(item)
    if before == after and not rewrite:
        return None
    diff = {"before_header": f"{item['path']} ({before})", "after_header": f"{item['path']} ({after})"}
    if rewrite and item["secret"] is not None:
        return {**diff, "before": "(secret)\n", "after": "(another secret)\n"}
    if rewrite:
        return {**diff, "before": read(item["path"]) or "", "after": item["content"]}
    return {**diff, "before": before + "\n", "after": after + "\n"}


def validate(module: AnsibleModule, item: Item) -> None:
    """Let the item's command judge the new text."""
    command = item["validate"]
    if not command or not content_differs(item):
        return
    if module.check_mode and not os.path.exists(command[0]):
        return
    with tempfile.TemporaryDirectory() as folder:
        candidate = os.path.join(folder, os.path.basename(item["path"]))
        with open(candidate, "w", encoding="utf-8") as file:
            file.write(item["content"])
        code, out, err = module.run_command([part.replace("%s", candidate) for part in command])
    if code != 0:
        reason = (err or out).strip().replace(candidate, item["path"])
        raise Failure(f"{item['path']} was not replaced, the new text is wrong: {reason}")


def remove(path: str) -> None:
    """Remove whatever is at a path."""
    info = lstat(path)
    if info is not None and stat.S_ISDIR(info.st_mode):
        remove_tree(path)
        hailo_disk.sync(os.path.dirname(path))
    else:
        hailo_disk.unlink(path)


def remove_tree(path: str) -> None:
    """Remove a folder, also while what an interrupted run left behind still writes into it."""
    for tries_left in reversed(range(REMOVAL_TRIES)):
        try:
            shutil.rmtree(path)
            return
        except OSError as error:
            if lstat(path) is None:
                return
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or not tries_left:
                raise
            time.sleep(1)


def set_owner(item: Item, path: str) -> None:
    """Give a path its owner, group and mode."""
    try:
        shutil.chown(path, item["owner"], item["group"])
    except LookupError as error:
        raise Failure(f"{item['path']}: {error}") from error
    os.chmod(path, mode(item))


def put(item: Item, made: list[str]) -> None:
    """Bring one path about. Files and links are made only, beside their places, and noted for place()."""
    path = item["path"]
    match item["state"]:
        case "file" if item["content"] is None:
            set_owner(item, path)
        case "file":
            before = read(path)
            if item["backup"] and before not in (None, item["content"]):
                hailo_disk.write(path + "~", before, lambda copy: shutil.copystat(path, copy))
            hailo_disk.make(path, item["content"], lambda new: set_owner(item, new))
            made.append(path)
        case "link":
            hailo_disk.make_link(item["target"], path)
            made.append(path)
        case "directory":
            if not os.path.isdir(path) or (os.path.islink(path) and not leads_to_folder(path)):
                remove(path)
                os.makedirs(path)
                hailo_disk.sync(os.path.dirname(path))
            set_owner(item, path)
        case _:
            # Nothing goes before what comes before it in the list is there: a link may lead away from it.
            place(made)
            remove(path)


def place(made: list[str]) -> None:
    """Put in place what was made."""
    for path in made:
        if os.path.isdir(path) and not os.path.islink(path):
            remove_tree(path)
    hailo_disk.place(made)
    made.clear()


def newest(items: list[Item], changed: set[str]) -> dict[str, int]:
    """When the newest of what each unit reads was made, in whole seconds since the epoch.

    What was changed now counts as newer than anything that runs.
    """
    found: dict[str, int] = {}
    for item in items:
        if unit := item["read_by"]:
            info = lstat(item["path"])
            made = int(time.time()) + 1 if item["path"] in changed else int(info.st_mtime) if info else 0
            found[unit] = max(found.get(unit, 0), made)
    return found


def main() -> None:
    """Entry point; the result has `changed_paths` and `newest`."""
    module = AnsibleModule(
        argument_spec={
            # Treated in this order.
            "paths": {"type": "list", "elements": "dict", "required": True, "options": PATH},
            # More paths that should be absent, treated last.
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    # Parents that are made on the way are as open as what is asked for, whatever umask root has.
    os.umask(0o022)
    absent = [dict.fromkeys(PATH) | {"path": path, "state": "absent"} for path in module.params["absent"]]
    items = module.params["paths"] + absent
    for item in items:
        item["content"] = item["content"] if item["secret"] is None else item["secret"]
    diffs: dict[str, dict[str, str]] = {}
    made: list[str] = []
    try:
        for item in items:
            validate(module, item)
        for item in items:
            diff = difference(item)
            if diff is not None:
                diffs[item["path"]] = diff
                if not module.check_mode:
                    put(item, made)
        place(made)
    except Failure as failure:
        module.fail_json(msg=str(failure))
    except OSError as error:
        module.fail_json(msg=f"{error.filename2 or item['path']}: {error.strerror or error}")
    finally:
        hailo_disk.give_up(made)
    module.exit_json(
        changed=bool(diffs),
        changed_paths=list(diffs),
        newest=newest(items, set(diffs)),
        diff=list(diffs.values()),
    )


if __name__ == "__main__":
    main()
