#!/usr/bin/python
"""Fetch a compiled Hailo model, resumably, and put it in place only when it is whole and fits."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from typing import Any, BinaryIO

from ansible.module_utils import hailo_disk
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
  description: Why the file was fetched.
  returned: when changed
  type: str
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

MAGIC = bytes.fromhex("01484546")
HEADER_BYTES = 200 * 1024
CHUNK = 1 << 20
SHOWN_STEP = 0.1
SYNCED_STEP = 64 << 20


class Failure(Exception):
    """The model can't be put in place; the text says why and what helps."""


class Interrupted(Exception):
    """A transfer ended early; another try may resume it."""


def beside(path: str, suffix: str) -> str:
    """A hidden companion of a file."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{suffix}")


def load(path: str) -> dict[str, Any]:
    """A recorded dictionary, empty if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def save(path: str, record: dict[str, Any]) -> None:
    """Record a dictionary at once or not at all."""
    hailo_disk.write(path, json.dumps(record), lambda new: os.chmod(new, 0o644))


def header(path: str) -> tuple[bytes, str]:
    """Magic number and compiler version of a file; empty where there is none."""
    try:
        with open(path, "rb") as file:
            start = file.read(HEADER_BYTES)
    except OSError:
        return b"", ""
    found = re.search(rb"sdk-version:\s*(\d+\.\d+\.\d+)", start)
    return start[:4], found[1].decode() if found else ""


def numbers(version: str) -> list[int]:
    """A version for comparison."""
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def why_not(params: dict[str, Any]) -> str:
    """Why the file in place can't stay; empty if it can."""
    path, record = params["path"], load(beside(params["path"], ".json"))
    if not os.path.exists(path):
        return "it is missing"
    if header(path)[0] != MAGIC:
        return "it is no HEF"
    if not record:
        return "it was not verified yet"
    if os.path.getsize(path) != record.get("size"):
        return "its length changed"
    if record.get("identity") != params["identity"]:
        return f"{params['identity']} is wanted instead of {record.get('identity')}"
    if params["sha256"] and params["sha256"].lower() != record.get("sha256"):
        return "another checksum is wanted"
    return ""


def request(params: dict[str, Any], offset: int, validator: str) -> Any:
    """Open the address, from an offset if the file there is still the same."""
    headers = {"User-Agent": "hailo-vision-deploy"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator:
            headers["If-Range"] = validator
    try:
        return urllib.request.urlopen(
            urllib.request.Request(params["url"], headers=headers), timeout=params["timeout"]
        )
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error
        if error.code >= 500 or error.code == 429:
            raise Interrupted(f"{params['url']} answered {error.code} {error.reason}") from error
        raise Failure(
            f"{params['url']} answered {error.code} {error.reason}. Is the mirror's address right?"
        ) from error
    except OSError as error:
        raise Interrupted(f"{params['url']}: {getattr(error, 'reason', error)}") from error


def total_of(response: Any, offset: int) -> int:
    """Full length that a response promises."""
    announced = response.headers.get("Content-Range", "").rpartition("/")[2]
    if announced.isdigit():
        return int(announced)
    length = response.headers.get("Content-Length", "")
    if not length.isdigit():
        raise Failure(f"{response.url} does not tell the file's length, so that it can't be verified.")
    return offset + int(length)


def require_space(folder: str, missing: int) -> None:
    """Refuse to begin what can't fit."""
    free = shutil.disk_usage(folder).free
    if free < missing:
        raise Failure(
            f"{folder} has {free / 1e9:.1f} GB free and the model needs {missing / 1e9:.1f} GB more."
        )


def transfer(module: AnsibleModule, params: dict[str, Any]) -> int:
    """One try at bringing the partial file to its full length; the bytes that were there before.

    Raises:
        Interrupted: fewer bytes came than were announced.
        Failure: what came is no HEF, or can't be stored.
    """
    part = beside(params["path"], ".part")
    record = load(f"{part}.json")
    if record.get("identity") != params["identity"]:
        record = {}
    offset = resume_point(part, record)
    with request(params, offset, record.get("validator", "")) as response:
        if response.status != 206 and offset:
            if response.status == 416 and offset == total_of(response, 0):
                return offset
            os.unlink(part)
            if response.status == 416:
                raise Interrupted("the file at the mirror was exchanged")
            offset = 0
        total = total_of(response, offset)
        require_space(os.path.dirname(part), total - offset)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        record = {
            "identity": params["identity"],
            "validator": "" if validator.startswith("W/") else validator,
            "synced": offset,
        }
        save(f"{part}.json", record)
        with open(part, "ab" if offset else "wb") as file:
            try:
                receive(module, response, file, record, total)
            finally:
                keep(file, record)
    return offset


def resume_point(part: str, record: dict[str, Any]) -> int:
    """How much of the partial file is on the disk for sure; the rest, which may have holes, is cut off."""
    if not record or not os.path.exists(part):
        return 0
    known = min(record.get("synced", 0), os.path.getsize(part))
    os.truncate(part, known)
    return known


def keep(file: BinaryIO, record: dict[str, Any]) -> None:
    """Wait until the partial file is on the disk, and record how long it is."""
    file.flush()
    os.fsync(file.fileno())
    record["synced"] = file.tell()
    save(f"{file.name}.json", record)


def receive(module: AnsibleModule, response: Any, file: BinaryIO, record: dict[str, Any], total: int) -> None:
    """Append a response to the partial file."""
    offset = shown = record["synced"]
    while offset < total:
        try:
            block = response.read(min(CHUNK, total - offset))
        except OSError as error:
            raise Interrupted(f"the transfer stopped at {offset} of {total} bytes: {error}") from error
        if not block:
            raise Interrupted(f"the transfer ended at {offset} of {total} bytes")
        if offset == 0 and not block.startswith(MAGIC):
            raise Failure(
                f"{response.url} is no HEF: it starts with {block[:20]!r}. Is the mirror's address right?"
            )
        file.write(block)
        offset += len(block)
        if offset - record["synced"] >= SYNCED_STEP:
            keep(file, record)
        if offset - shown >= total * SHOWN_STEP:
            module.log(f"fetched {offset} of {total} bytes of {response.url}")
            shown = offset


def fetch(module: AnsibleModule, params: dict[str, Any]) -> int:
    """Bring the partial file to its full length, over several tries if it must be."""
    for attempt in range(params["retries"] + 1):
        try:
            return transfer(module, params)
        except Interrupted as error:
            reason = error
            time.sleep(min(2**attempt, 30) if attempt < params["retries"] else 0)
    raise Failure(
        f"The model was not fetched after {params['retries'] + 1} tries: {reason}. The next run resumes."
    )


def checksum(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: str, params: dict[str, Any]) -> dict[str, Any]:
    """The record of a complete file.

    Raises:
        Failure: it is not what is wanted.
    """
    version, digest = header(path)[1], checksum(path)
    if version and numbers(version) > numbers(params["runtime"]):
        raise Failure(
            f"The model was compiled by {version} and HailoRT {params['runtime']} refuses newer models."
        )
    if params["sha256"] and digest != params["sha256"].lower():
        raise Failure(f"The model's SHA-256 is {digest} and not {params['sha256']}.")
    return {
        "identity": params["identity"],
        "size": os.path.getsize(path),
        "sha256": digest,
        "sdk_version": version,
    }


def adopt(params: dict[str, Any]) -> dict[str, Any]:
    """The record of a file that someone else put in place; empty if it can't be told to be the one wanted."""
    path = params["path"]
    magic, version = header(path)
    if params["trusted"]:
        if magic != MAGIC:
            raise Failure(f"{path} is no HEF.")
        return verify(path, params)
    if magic != MAGIC or not (params["sha256"] or version == params["runtime"]):
        return {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(params["url"], method="HEAD"), timeout=params["timeout"]
        ) as response:
            if total_of(response, 0) != os.path.getsize(path):
                return {}
        return verify(path, params)
    except (OSError, Failure):
        return {}


def replace(module: AnsibleModule, params: dict[str, Any]) -> dict[str, Any]:
    """Fetch, verify and put the model in place."""
    path, part = params["path"], beside(params["path"], ".part")
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    resumed_at = fetch(module, params)
    try:
        record = verify(part, params)
    except Failure:
        os.unlink(part)
        raise
    os.chmod(part, 0o644)
    hailo_disk.sync_file(part)
    hailo_disk.move(part, path)
    save(beside(path, ".json"), record)
    hailo_disk.unlink(f"{part}.json")
    return {"resumed_at": resumed_at, "size": record["size"], "sdk_version": record["sdk_version"]}


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
        },
        supports_check_mode=True,
    )
    params = module.params
    reason = why_not(params)
    if not reason:
        record = load(beside(params["path"], ".json"))
        module.exit_json(changed=False, size=record["size"], sdk_version=record.get("sdk_version", ""))
    if module.check_mode:
        module.exit_json(changed=True, reason=reason)
    try:
        unknown = params["trusted"] or reason == "it was not verified yet"
        record = adopt(params) if unknown else {}
        if record:
            hailo_disk.sync_file(params["path"])
            save(beside(params["path"], ".json"), record)
            module.exit_json(
                changed=True, reason="it was verified", size=record["size"], sdk_version=record["sdk_version"]
            )
        module.exit_json(changed=True, reason=reason, **replace(module, params))
    except Failure as failure:
        module.fail_json(msg=str(failure))
    except OSError as error:
        module.fail_json(msg=f"{params['path']}: {error.strerror or error}")


if __name__ == "__main__":
    main()
