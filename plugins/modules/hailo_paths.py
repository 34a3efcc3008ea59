#!/usr/bin/python
"""Keep a list of files, folders and links as they should be, in one call.

M(ansible.builtin.copy) and M(ansible.builtin.file) take a round trip for each path, put files in place before
the next one is validated, and do not wait for the disk.
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

DOCUMENTATION = r"""
module: hailo_paths
short_description: Keep a list of files, folders and links as they should be
description:
  - Does in one call what M(ansible.builtin.file) and M(ansible.builtin.copy) do for one path each.
    All new contents are validated before the first file is replaced. Every file is replaced at once, so that
    also after a loss of power it is the old or the new one, and all of them within a moment.
options:
  paths:
    description: The paths, treated in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      state:
        description: What the path should be. C(vacated) removes a folder that is empty and leaves any other.
        type: str
        choices: [file, directory, link, absent, vacated]
        default: file
      content:
        description: Text of a file. Without it only owner, group and mode of an existing file are kept.
        type: str
      secret:
        description: Text of a file, as C(content), that appears in no log and no diff.
        type: str
      target:
        description: What a link points to.
        type: str
      owner:
        description: Owner.
        type: str
        default: root
      group:
        description: Group.
        type: str
        default: root
      mode:
        description: Mode in octal. Default is 0644 for files and 0755 for folders.
        type: str
      validate:
        description: Command that must accept the new file, whose path replaces C(%s).
        type: list
        elements: str
      read_by:
        description: Unit of systemd that reads the path when it starts or reloads.
        type: str
      backup:
        description: Keep the replaced file beside the new one, with C(~) added to its name.
        type: bool
        default: false
  absent:
    description: More paths that should be absent, treated last.
    type: list
    elements: path
    default: []
"""

RETURN = r"""
changed_paths:
  description: Paths that were changed, or would be in check mode.
  returned: always
  type: list
  elements: str
newest:
  description: >-
    When the newest of the paths that each unit reads was made, in whole seconds since the epoch. What this
    call changed counts as newer than anything that runs.
  returned: always
  type: dict
"""

REMOVAL_TRIES = 20
SPEC = {
    "path": {"type": "path", "required": True},
    "state": {
        "type": "str",
        "choices": ["file", "directory", "link", "absent", "vacated"],
        "default": "file",
    },
    "content": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "target": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str"},
    "validate": {"type": "list", "elements": "str"},
    "read_by": {"type": "str"},
    "backup": {"type": "bool", "default": False},
}


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


def read(path: str) -> str:
    """The text of a file, empty if there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


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


def wanted(item: dict[str, Any]) -> str:
    """What a path should be, in the words of describe()."""
    if item["state"] == "absent":
        return "absent"
    if item["state"] == "vacated":
        return (
            "absent"
            if os.path.isdir(item["path"]) and not os.listdir(item["path"])
            else describe(item["path"])
        )
    if item["state"] == "link":
        return f"link to {item['target']}"
    mode = int(item["mode"] or ("0755" if item["state"] == "directory" else "0644"), 8)
    return f"{item['state']} {item['owner']}:{item['group']} {mode:04o}"


def content_differs(item: dict[str, Any]) -> bool:
    """Whether a file's text must be replaced."""
    return item["content"] is not None and (
        not os.path.isfile(item["path"]) or read(item["path"]) != item["content"]
    )


def difference(item: dict[str, Any]) -> dict[str, str] | None:
    """The diff of one path, None if it is as it should be."""
    linked = item["state"] == "directory" and leads_to_folder(item["path"])
    before, after = describe(os.path.realpath(item["path"]) if linked else item["path"]), wanted(item)
    rewrite = item["state"] == "file" and content_differs(item)
    if before == after and not rewrite:
        return None
    diff = {"before_header": f"{item['path']} ({before})", "after_header": f"{item['path']} ({after})"}
    if rewrite and item.get("secret") is not None:
        return {**diff, "before": "(secret)\n", "after": "(another secret)\n"}
    if rewrite:
        return {**diff, "before": read(item["path"]), "after": item["content"]}
    return {**diff, "before": before + "\n", "after": after + "\n"}


def validate(module: AnsibleModule, item: dict[str, Any]) -> None:
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
    if info is None:
        return
    if stat.S_ISDIR(info.st_mode):
        remove_tree(path)
        hailo_disk.sync_folder(os.path.dirname(path))
    else:
        hailo_disk.unlink(path)


def remove_tree(path: str) -> None:
    """Remove a folder, also while what an interrupted run left behind still writes into it."""
    for _ in range(REMOVAL_TRIES - 1):
        try:
            shutil.rmtree(path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise
            if lstat(path) is None:
                return
            time.sleep(1)
    shutil.rmtree(path)


def set_owner(item: dict, path: str) -> None:
    """Give a path its owner, group and mode."""
    try:
        shutil.chown(path, item["owner"], item["group"])
    except LookupError as error:
        raise Failure(f"{item['path']}: {error}") from error
    os.chmod(path, int(wanted(item).rpartition(" ")[2], 8))


class Placing:
    """Brings paths about; files and links are made first and put in place together."""

    def __init__(self) -> None:
        self._made: list[str] = []

    def put(self, item: dict[str, Any]) -> None:
        """Bring one path about, or make what place() will put there."""
        actions = {"file": self._file, "link": self._link, "directory": self._directory}
        try:
            actions.get(item["state"], self._absent)(item)
        except OSError as error:
            raise Failure(f"{item['path']}: {error.strerror or error}") from error

    def place(self) -> None:
        """Put in place what was made."""
        try:
            for path in self._made:
                if os.path.isdir(path) and not os.path.islink(path):
                    remove_tree(path)
            hailo_disk.place(self._made)
        except OSError as error:
            raise Failure(f"{error.filename2 or error.filename}: {error.strerror or error}") from error
        self._made = []

    def give_up(self) -> None:
        """Leave nothing of what was not put in place."""
        hailo_disk.give_up(self._made)

    def _file(self, item: dict[str, Any]) -> None:
        path = item["path"]
        if item["content"] is None:
            set_owner(item, path)
            return
        if item["backup"] and os.path.isfile(path) and read(path) != item["content"]:
            hailo_disk.write(path + "~", read(path), lambda copy: shutil.copystat(path, copy))
        hailo_disk.make(path, item["content"], lambda new: set_owner(item, new))
        self._made.append(path)

    def _link(self, item: dict[str, Any]) -> None:
        hailo_disk.make_link(item["target"], item["path"])
        self._made.append(item["path"])

    def _directory(self, item: dict[str, Any]) -> None:
        """Make a folder, in place of anything else that bears its name."""
        path = item["path"]
        if not os.path.isdir(path) or (os.path.islink(path) and not leads_to_folder(path)):
            remove(path)
            os.makedirs(path)
            hailo_disk.sync_folder(os.path.dirname(path))
        set_owner(item, path)

    def _absent(self, item: dict[str, Any]) -> None:
        """Nothing goes before what comes before it in the list is there: a link may lead away from it."""
        self.place()
        remove(item["path"])


def newest(items: list[dict[str, Any]], changed: set[str]) -> dict[str, int]:
    """When the newest of what each unit reads was made; later than now if it was changed now."""
    found: dict[str, int] = {}
    for item in items:
        if unit := item.get("read_by"):
            info = lstat(item["path"])
            made = int(time.time()) + 1 if item["path"] in changed else int(info.st_mtime) if info else 0
            found[unit] = max(found.get(unit, 0), made)
    return found


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "dict", "required": True, "options": SPEC},
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    # Parents that are made on the way are as open as what is asked for, whatever umask root has.
    os.umask(0o022)
    items = module.params["paths"]
    for item in items:
        if item["secret"] is not None:
            item["content"] = item["secret"]
    items += [{"path": path, "state": "absent", "validate": None} for path in module.params["absent"]]
    diffs: dict[str, dict[str, str]] = {}
    placing = Placing()
    try:
        for item in items:
            validate(module, item)
        for item in items:
            diff = difference(item)
            if diff is not None:
                diffs[item["path"]] = diff
                if not module.check_mode:
                    placing.put(item)
        placing.place()
    except Failure as failure:
        placing.give_up()
        module.fail_json(msg=str(failure))
    module.exit_json(
        changed=bool(diffs),
        changed_paths=list(diffs),
        newest=newest(items, set(diffs)),
        diff=list(diffs.values()),
    )


if __name__ == "__main__":
    main()
