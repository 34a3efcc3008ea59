"""Keeping a copy of what makes the service what it is: release, configuration and units."""

from __future__ import annotations

import json
import os
import shutil
import stat
from typing import Any

FOLDER = "/opt/hailo-vision/good"
CURRENT = "/opt/hailo-vision/current"
PATHS = (
    "/etc/hailo/credentials/hailo-vision.api-keys",
    "/etc/hailo/credentials/hailo-vision.tls-key",
    "/etc/hailo/hailo-vision.crt",
    "/etc/hailo/hailo-vision.yaml",
    "/etc/systemd/system/hailo-vision.service",
    "/etc/systemd/system/hailo-vision.slice",
    "/etc/systemd/system/hailo-vision.socket",
    "/etc/systemd/system/hailo.slice",
    "/etc/udev/rules.d/71-hailo-vision.rules",
    CURRENT,
)

State = list[dict[str, Any]]


def capture(paths: tuple[str, ...] = PATHS) -> State:
    """What the paths hold now: text and permissions of files, targets of links; missing ones are left out."""
    state = []
    for path in paths:
        try:
            info = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISLNK(info.st_mode):
            state.append({"path": path, "target": os.readlink(path)})
            continue
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
        owner = {"mode": stat.S_IMODE(info.st_mode), "uid": info.st_uid, "gid": info.st_gid}
        state.append({"path": path, "text": text, **owner})
    return state


def release(state: State) -> str:
    """Name of the release that a state runs, empty if it names none."""
    return next((os.path.basename(item["target"]) for item in state if item["path"] == CURRENT), "")


def load(name: str, folder: str = FOLDER) -> State:
    """A kept state, `last` or `previous`; empty if there is none."""
    try:
        with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
            return list(json.load(file))
    except (OSError, ValueError):
        return []


def keep(state: State, folder: str = FOLDER) -> None:
    """Keep a state as the last good one; the one before becomes the previous if its release was another."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    last = os.path.join(folder, "last.json")
    if release(load("last", folder)) not in ("", release(state)):
        shutil.copy2(last, os.path.join(folder, "previous.json"))
    handle = os.open(f"{last}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{last}.new", last)


def differences(state: State, paths: tuple[str, ...] = PATHS) -> list[str]:
    """Those of the paths that are not as they were kept."""
    wanted, now = ({item["path"]: item for item in items} for items in (state, capture(paths)))
    return [path for path in paths if wanted.get(path) != now.get(path)]


def restore(state: State, paths: tuple[str, ...] = PATHS) -> list[str]:
    """Put every path back as it was kept, and remove those that were not there; the paths that differed."""
    changed = differences(state, paths)
    wanted = {item["path"]: item for item in state}
    for path in changed:
        item = wanted.get(path)
        if item is None:
            os.unlink(path)
            continue
        temporary = f"{item['path']}.restored"
        if "target" in item:
            os.symlink(item["target"], temporary)
        else:
            with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(item["text"])
            os.chown(temporary, item["uid"], item["gid"])
            os.chmod(temporary, item["mode"])
        os.replace(temporary, item["path"])
    return changed
