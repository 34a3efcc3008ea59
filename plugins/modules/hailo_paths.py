#!/usr/bin/python
"""Keep a list of files, folders and links as they should be, in one call.

M(ansible.builtin.copy) and M(ansible.builtin.file) take a round trip for each path, put files in place before
the next one is validated, do not wait for the disk, and do not see that a tree was cut off or edited. Here
all new contents are validated before the first file is replaced. Every file is replaced at once, so that
after a loss of power, too, it is the old or the new one, and all of them within a moment.
"""

import errno
import os
import shutil
import stat
import tempfile
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import hailo_disk, hailo_look, hailo_tree

REMOVAL_TRIES = 20
STATES = ["file", "directory", "link", "absent", "vacated", "sealed"]
PATH = {
    "path": {"type": "path", "required": True},
    # "vacated" removes a folder that is empty and leaves any other. "sealed" notes beside a tree that it is
    # complete: hailo_facts tells later whether it still is as it is now.
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


def is_folder(path: str) -> bool:
    """Whether there is a folder, or a link to one that root has put there, as to a larger disk."""
    return os.path.isdir(path) and (not os.path.islink(path) or os.lstat(path).st_uid == os.geteuid())


def read(path: str) -> str | None:
    """The text of a file, None if there is none."""
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def describe(path: str) -> str:
    """What is at a path now, as one line for a diff."""
    if not os.path.lexists(path):
        return "absent"
    if os.path.islink(path):
        return f"link to {os.readlink(path)}"
    kind = "directory" if os.path.isdir(path) else "file"
    return "{kind} {owner}:{group} {mode}".format(kind=kind, **hailo_look.access(path))


def wanted(item: Item) -> str:
    """What a path should be, in the words of describe()."""
    path, state = item["path"], item["state"]
    if state == "sealed":
        return describe(path) if hailo_tree.is_intact(path) else "sealed"
    if state == "vacated" and not (os.path.isdir(path) and not os.listdir(path)):
        return describe(path)
    if state in ("absent", "vacated"):
        return "absent"
    if state == "link":
        return f"link to {item['target']}"
    return f"{state} {item['owner']}:{item['group']} {item['mode']:04o}"


def content_differs(item: Item) -> bool:
    """Whether a file's text must be replaced."""
    return item["content"] is not None and read(item["path"]) != item["content"]


def difference(item: Item) -> dict[str, str] | None:
    """The diff of one path, None if it is as it should be."""
    path = item["path"]
    linked = item["state"] == "directory" and is_folder(path)
    before, after = describe(os.path.realpath(path) if linked else path), wanted(item)
    rewrite = item["state"] == "file" and content_differs(item)
    if before == after and not rewrite:
        return None
    diff = {"before_header": f"{path} ({before})", "after_header": f"{path} ({after})"}
    if rewrite and item["secret"] is not None:
        return {**diff, "before": "(secret)\n", "after": "(another secret)\n"}
    if rewrite:
        return {**diff, "before": read(path) or "", "after": item["content"]}
    return {**diff, "before": before + "\n", "after": after + "\n"}


def validate(module: AnsibleModule, item: Item) -> None:
    """Let the item's command judge the new text, and fail if it refuses."""
    command = item["validate"]
    if not command or not content_differs(item) or (module.check_mode and not os.path.exists(command[0])):
        return
    with tempfile.TemporaryDirectory() as folder:
        candidate = os.path.join(folder, os.path.basename(item["path"]))
        with open(candidate, "w", encoding="utf-8") as file:
            file.write(item["content"])
        code, out, err = module.run_command([part.replace("%s", candidate) for part in command])
    if code != 0:
        reason = (err or out).strip().replace(candidate, item["path"])
        module.fail_json(msg=f"{item['path']} was not replaced, the new text is wrong: {reason}")


def remove_folder(path: str) -> None:
    """Remove a folder, if there is one, also while what an interrupted run left still writes into it."""
    tries = 0
    while os.path.isdir(path) and not os.path.islink(path):
        try:
            shutil.rmtree(path)
            hailo_disk.sync(os.path.dirname(path))
        except OSError as error:
            tries += 1
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or tries == REMOVAL_TRIES:
                raise
            time.sleep(1)


def put(item: Item, made: list[str]) -> None:
    """Bring one path about. Files and links are made only, beside their places, and noted for place()."""
    path, access = item["path"], (item["mode"], item["owner"], item["group"])
    match item["state"]:
        case "file" if item["content"] is None:
            hailo_disk.give(path, *access)
        case "file":
            before = read(path)
            if item["backup"] and before not in (None, item["content"]):
                hailo_disk.write(path + "~", before, stat.S_IMODE(os.stat(path).st_mode))
            hailo_disk.make(path, item["content"], *access)
            made.append(path)
        case "link":
            hailo_disk.make_link(item["target"], path)
            made.append(path)
        case "directory":
            if not is_folder(path):
                hailo_disk.unlink(path)
                os.makedirs(path)
                hailo_disk.sync(os.path.dirname(path))
            hailo_disk.give(path, *access)
        case "sealed":
            os.sync()  # what installed the tree did not wait for the disk
            hailo_disk.write(hailo_tree.seal_path(path), hailo_tree.fingerprint(path) + "\n", 0o644)
        case _:
            # Nothing goes before what comes before it in the list is there: a link may lead away from it.
            place(made)
            remove_folder(path)
            hailo_disk.unlink(path)


def place(made: list[str]) -> None:
    """Put in place what was made."""
    for path in made:
        remove_folder(path)
    hailo_disk.place(made)
    made.clear()


def newest(items: list[Item], changed: set[str]) -> dict[str, int]:
    """When the newest of what each unit reads was made, in whole seconds since the epoch.

    What was changed now counts as newer than anything that runs.
    """
    found: dict[str, int] = {}
    for item in items:
        if unit := item["read_by"]:
            path = item["path"]
            made, now = int(os.lstat(path).st_mtime) if os.path.lexists(path) else 0, int(time.time())
            made = made if made <= now else 0  # a clock went wrong: nothing that runs would ever be newer
            found[unit] = max(found.get(unit, 0), now + 1 if path in changed else made)
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
        item["mode"] = int(item["mode"] or ("0755" if item["state"] == "directory" else "0644"), 8)
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
    except LookupError as error:  # no such user or group
        module.fail_json(msg=f"{item['path']}: {error}")
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
