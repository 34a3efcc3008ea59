"""What of the deployment writes to a host's disk, each on a folder of a test's own.

python -m tests.abuse.writers NAME FOLDER [ADDRESS]
"""

import grp
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.mirror import hef
from support.model_script import SCRIPT
from support.modules import call, load, shared

NEW_MODEL = hef(b"\nsdk-version: 5.1.1\n" + bytes(range(256)) * 1200)
CONFIG = "model: new\n" * 50

paths = load("plugins/modules/hailo_paths.py", "writing_paths")
tree: Any = shared("hailo_tree")
state: Any = load("plugins/module_utils/hailo_state.py", "writing_state")
with patch.object(sys, "path", [str(SCRIPT.parent), *sys.path]):
    fetch: Any = load("roles/hailo_model/files/fetch.py", "writing_model")
boot: Any = load("plugins/plugin_utils/boot.py", "writing_boot")
facts: Any = load("plugins/modules/hailo_facts.py", "writing_boot_facts")
wheelhouse = load("plugins/action/hailo_wheelhouse.py", "writing_wheelhouse")
MINE = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


def done(result: dict[str, Any]) -> None:
    if result.get("failed"):
        raise RuntimeError(result["msg"])


def configure(root: Path) -> None:
    """The configuration with its backup, a secret, a link, a folder, and something that goes."""
    items: list[dict[str, Any]] = [
        {"path": f"{root}/config", "content": CONFIG, "mode": "0640", "backup": True, **MINE},
        {"path": f"{root}/credentials", "state": "directory", "mode": "0700", **MINE},
        {"path": f"{root}/credentials/keys", "secret": "new-key\n", "mode": "0600", **MINE},
        {"path": f"{root}/current", "state": "link", "target": "releases/2", **MINE},
    ]
    done(call(paths, paths=items, absent=[f"{root}/former"]))


def release(root: Path) -> None:
    """A release as tar and pip leave it, which wait for no disk; sealed, then switched to."""
    folder = root / "releases" / "2"
    fresh = {"path": str(folder), "state": "directory", **MINE}
    sealed = {"path": tree.seal_path(str(folder)), "state": "absent"}
    done(call(paths, paths=[sealed, {**fresh, "state": "absent"}, fresh]))
    (folder / "bin").mkdir()
    (folder / "bin" / "program").write_bytes(b"new program\n" * 100)
    (folder / "module.py").write_bytes(b"new = 1\n" * 100)
    done(call(paths, paths=[{"path": str(folder), "state": "sealed"}]))
    done(call(paths, paths=[{"path": f"{root}/current", "state": "link", "target": "releases/2"}]))


def kept_paths(root: Path) -> tuple[str, ...]:
    """What the state of a host is made of, here."""
    state.CURRENT = f"{root}/current"
    return (f"{root}/config", f"{root}/keys", f"{root}/new-unit", state.CURRENT)


def keep(root: Path) -> None:
    """The state that works, as the last good one."""
    now = state.capture(kept_paths(root))
    if now != state.load("last", f"{root}/good"):
        state.keep(now, f"{root}/good")


def restore(root: Path) -> None:
    """The last good state."""
    state.restore(state.load("last", f"{root}/good"), kept_paths(root))


def model(root: Path, address: str) -> None:
    """The model, from a server; in place at once."""
    order = _order(root, address)
    fetch.fetch(order)
    fetch.model.place(order)
    done(call(paths, paths=[], absent=[f"{root}/.model.hef.former", f"{root}/.model.hef.former.json"]))


def why_no_model(root: Path, address: str) -> str:
    """Why the model that is there would be fetched anew; empty if it would not."""
    order = _order(root, address)
    return str(fetch.model.why_not(order, order.path))


def _order(root: Path, address: str) -> Any:
    return fetch.Order(root / "model.hef", "v2/model.hef", address, "5.1.1", retries=0)


def firmware(root: Path) -> None:
    """What a Pi reads at boot."""
    facts.BOOT = (f"{root}/firmware",)
    facts.BOOT_RECORD = boot.RECORD = f"{root}/lib/boot.json"
    boot.STATE = f"{root}/lib"
    for step in boot.plan(facts.boot(), ["dtparam=pciex1_gen=3"], ["cgroup_enable=memory"])["steps"]:
        done(call(paths, paths=[{**MINE, **item} for item in step]))


def archive(root: Path) -> None:
    """The wheels of a release, on the controller."""
    wheels = root.parent / "wheels"
    if not wheels.exists():
        wheels.mkdir()
        (wheels / "one.whl").write_bytes(b"wheel" * 5000)
    if not (root / "release.tar").exists():
        wheelhouse.pack(wheels, root / "release.tar")


WRITERS: dict[str, Callable[..., None]] = {
    writer.__name__: writer for writer in (configure, release, keep, restore, model, firmware, archive)
}

if __name__ == "__main__":
    WRITERS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
