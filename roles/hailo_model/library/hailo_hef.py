#!/usr/bin/python
"""Fetch a compiled Hailo model, resumably, and put it in place only when it is whole and fits."""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.request
from pathlib import Path
from typing import Any

from ansible.module_utils import hailo_disk
from ansible.module_utils import hailo_model_file as hef
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hailo_hef
short_description: Fetch a compiled Hailo model and verify it
description:
  - Downloads to a hidden file beside the destination and resumes there after an interruption; after a loss of
    power where the file is known to be whole, which is every 64 MB.
  - Before the file takes its place, its length, its magic number, its SHA-256 if one is given, and the
    version of the compiler named in its header are checked.
  - What was verified is recorded beside the file, so that later runs need neither the network nor a
    full read.
options:
  path:
    description: Where the model belongs. Missing folders are made.
    type: path
    required: true
  url:
    description: Address of the file.
    type: str
    required: true
  identity:
    description: Name of the very file wanted, the same for all mirrors. A change of it fetches the file anew.
    type: str
    required: true
  runtime:
    description: Version of the installed HailoRT. A model made for a newer one is refused.
    type: str
    required: true
  sha256:
    description: Checksum that the file must have.
    type: str
  timeout:
    description: Seconds without a byte after which a transfer is taken up again.
    type: int
    default: 30
  retries:
    description: How many times a transfer is taken up again.
    type: int
    default: 5
  trusted:
    description: The file in place came from the controller; it is verified without asking the address.
    type: bool
    default: false
  seconds:
    description:
      - Seconds after which a call leaves off a transfer that can be resumed, and tells how far it is.
        Unlimited by default. The action plugin of the same name calls again until all is there.
    type: int
  obsolete:
    description: Folder that goes once the model is in place. The service fetches a missing one into it.
    type: path
"""

EXAMPLES = r"""
- name: Fetch the model
  hailo_hef:
    path: /var/lib/hailo-vision/resources/Qwen2-VL-2B-Instruct.hef
    url: https://dev-public.hailo.ai/v5.1.1/blob/Qwen2-VL-2B-Instruct.hef
    identity: v5.1.1/Qwen2-VL-2B-Instruct.hef
    runtime: 5.1.1
"""

RETURN = r"""
reason:
  description: Why the file was fetched, or what else was changed.
  returned: when changed
  type: str
progress:
  description: Bytes that are there and bytes in all, when the time was over before the transfer.
  returned: when the transfer is not complete
  type: list
  elements: int
resumed_at:
  description: Bytes that were there from an earlier transfer.
  returned: when fetched
  type: int
size:
  description: Length of the file in bytes.
  returned: always, but not in check mode when the file is missing
  type: int
sdk_version:
  description: Version in the file's header, empty if it names none.
  returned: as size
  type: str
"""


class Paused(Exception):
    """The time of this call is over; another one goes on."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__()
        self.progress = [done, total]


def record_path(path: Path) -> Path:
    """Where is recorded what was verified."""
    return path.with_name(f".{path.name}.json")


def order_of(params: dict[str, Any]) -> hef.Order:
    """What is fetched to where."""
    path = Path(params["path"])
    part = path.with_name(f".{path.name}.part")
    return hef.Order(params["url"], part, params["identity"], params["timeout"])


def load(path: Path) -> dict[str, Any]:
    """A recorded dictionary, empty if there is none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def save(path: Path, record: dict[str, Any]) -> None:
    """Record a dictionary at once or not at all."""
    hailo_disk.write(str(path), json.dumps(record), lambda new: os.chmod(new, 0o644))


def why_not(params: dict[str, Any]) -> str:
    """Why the file in place can't stay; empty if it can."""
    path = Path(params["path"])
    record = load(record_path(path))
    if not path.exists():
        return "it is missing"
    if not hef.has_magic(path):
        return "it is no HEF"
    if not record:
        return "it was not verified yet"
    if path.stat().st_size != record.get("size"):
        return "its length changed"
    if record.get("identity") != params["identity"]:
        return f"{params['identity']} is wanted instead of {record.get('identity')}"
    if params["sha256"] and params["sha256"].lower() != record.get("sha256"):
        return "another checksum is wanted"
    return ""


def fetch(params: dict[str, Any], order: hef.Order) -> int:
    """Bring the partial file to its full length, over several tries if it must be."""
    deadline = time.monotonic() + params["seconds"] if params["seconds"] else None

    def observe(done: int, total: int, resumable: bool) -> None:
        if deadline and resumable and done < total and time.monotonic() >= deadline:
            raise Paused(done, total)

    for attempt in range(params["retries"] + 1):
        try:
            return hef.fetch(order, observe)
        except hef.Interrupted as error:
            reason = error
            time.sleep(min(2**attempt, 30) if attempt < params["retries"] else 0)
    tries = params["retries"] + 1
    raise hef.Failure(
        f"The model was not fetched after {tries} tries: {reason.message}", "The next run resumes."
    )


def verify(path: Path, params: dict[str, Any]) -> dict[str, Any]:
    """The record of a complete file.

    Raises:
        hef.Unfit: it is not what is wanted.
    """
    return {
        "identity": params["identity"],
        "size": path.stat().st_size,
        "sdk_version": hef.require_fit(path, params["runtime"]),
        "sha256": hef.require_checksum(path, params["sha256"]),
    }


def adopt(params: dict[str, Any]) -> dict[str, Any]:
    """The record of a file that someone else put in place; empty if it can't be told to be the one wanted."""
    path = Path(params["path"])
    if params["trusted"]:
        if not hef.has_magic(path):
            raise hef.Unfit(f"{path} is no HEF.", "Name another file.")
        return verify(path, params)
    if not hef.has_magic(path) or not (params["sha256"] or hef.sdk_version(path) == params["runtime"]):
        return {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(params["url"], method="HEAD"), timeout=params["timeout"]
        ) as response:
            if response.headers.get("Content-Length") != str(path.stat().st_size):
                return {}
        return verify(path, params)
    except (OSError, hef.Failure):
        return {}


def replace(params: dict[str, Any]) -> dict[str, Any]:
    """Fetch, verify and put the model in place."""
    path, order = Path(params["path"]), order_of(params)
    os.makedirs(path.parent, mode=0o755, exist_ok=True)
    resumed_at = fetch(params, order)
    try:
        record = verify(order.part, params)
    except hef.Unfit:
        hef.discard(order)
        raise
    hef.place(order, path)
    save(record_path(path), record)
    return {"resumed_at": resumed_at, "size": record["size"], "sdk_version": record["sdk_version"]}


def clear(module: AnsibleModule) -> bool:
    """Remove what the model in place makes superfluous; whether there was anything."""
    folder = module.params["obsolete"]
    if not folder or not os.path.isdir(folder):
        return False
    if not module.check_mode:
        shutil.rmtree(folder)
    return True


def settle(module: AnsibleModule) -> dict[str, Any]:
    """Bring the model about; what is returned of it."""
    params = module.params
    path = Path(params["path"])
    reason = why_not(params)
    if not reason:
        record = load(record_path(path))
        cleared = clear(module)
        kept = {"changed": cleared, "size": record["size"], "sdk_version": record.get("sdk_version", "")}
        return {**kept, "reason": f"{params['obsolete']} is obsolete"} if cleared else kept
    if module.check_mode:
        return {"changed": True, "reason": reason}
    record = adopt(params) if params["trusted"] or reason == "it was not verified yet" else {}
    if record:
        hailo_disk.sync_file(str(path))
        save(record_path(path), record)
        reason = "it was verified"
        told = {"size": record["size"], "sdk_version": record["sdk_version"]}
    else:
        told = replace(params)
    clear(module)
    return {"changed": True, "reason": reason, **told}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "url": {"type": "str", "required": True},
            "identity": {"type": "str", "required": True},
            "runtime": {"type": "str", "required": True},
            "sha256": {"type": "str"},
            "timeout": {"type": "int", "default": 30},
            "retries": {"type": "int", "default": 5},
            "trusted": {"type": "bool", "default": False},
            "seconds": {"type": "int"},
            "obsolete": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**settle(module))
    except Paused as pause:
        module.exit_json(changed=True, progress=pause.progress)
    except hef.Failure as failure:
        module.fail_json(msg=str(failure))
    except OSError as error:
        module.fail_json(msg=f"{module.params['path']}: {error.strerror or error}")


if __name__ == "__main__":
    main()
