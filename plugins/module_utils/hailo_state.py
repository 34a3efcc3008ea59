"""Keeping a copy of what makes the service what it is: release, configuration and units."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

from . import hailo_disk, hailo_look

FOLDER = "/opt/hailo-vision/good"
CURRENT = "/opt/hailo-vision/current"
# Not a path: the entry of a state that tells the versions of driver and runtime.
PACKAGES = "packages"
KEYS = "/etc/hailo/credentials/hailo-vision.api-keys"
CERTIFICATE = ("/etc/hailo/credentials/hailo-vision.tls-key", "/etc/hailo/hailo-vision.crt")
PATHS = (
    KEYS,
    *CERTIFICATE,
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
    """Text and permissions of files, targets of links; what is neither, or missing, is left out."""
    state: State = []
    for path in paths:
        if os.path.islink(path):
            state.append({"path": path, "target": os.readlink(path)})
        elif os.path.isfile(path):
            info = os.stat(path)
            owner = {"mode": stat.S_IMODE(info.st_mode), "uid": info.st_uid, "gid": info.st_gid}
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                state.append({"path": path, "text": file.read(), **owner})
    return state


def packages(state: State) -> dict[str, str]:
    """Versions of the packages that a state was kept with."""
    return next((dict(item["versions"]) for item in state if item["path"] == PACKAGES), {})


def release(state: State) -> str:
    """Name of the release that a state runs, empty if it names none."""
    return next((os.path.basename(item["target"]) for item in state if item["path"] == CURRENT), "")


def load(name: str, folder: str = FOLDER) -> State:
    """A kept state, `last` or `previous`; empty if there is none, or something else in its place."""
    state: State = hailo_look.load(os.path.join(folder, f"{name}.json"), list)
    return state if all(isinstance(item, dict) and "path" in item for item in state) else []


def keep(state: State, folder: str = FOLDER) -> None:
    """Keep a state as the last good one.

    The one before becomes the previous if its release, driver or runtime was another.
    """
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700)
        hailo_disk.sync(os.path.dirname(folder))
    before = load("last", folder)
    exchanged = packages(before) not in ({}, packages(state))
    if release(before) and (exchanged or release(before) != release(state)):
        hailo_disk.write(os.path.join(folder, "previous.json"), json.dumps(before))
    hailo_disk.write(os.path.join(folder, "last.json"), json.dumps(state))


def restore(
    state: State, paths: tuple[str, ...] = PATHS, spared: tuple[str, ...] = (), check: bool = False
) -> list[str]:
    """Put every path back as it was kept, and remove those that were not there; the paths that differed.

    Args:
        spared: stay as they are now, unless they are missing: a key that was revoked must not come back.
        check: changes nothing.
    """
    kept, now = ({item["path"]: item for item in items} for items in (state, capture(paths)))
    changed = [path for path in paths if kept.get(path) != now.get(path)]
    changed = [path for path in changed if path not in spared or path not in now]
    if check:
        return changed
    back = [path for path in changed if path in kept]
    for path in back:
        item = kept[path]
        if "target" in item:
            hailo_disk.make_link(item["target"], path)
        else:
            hailo_disk.make(path, item["text"], item["mode"], item["uid"], item["gid"])
    hailo_disk.place(back)
    for path in changed:
        if path not in kept:
            hailo_disk.unlink(path)
    return changed
