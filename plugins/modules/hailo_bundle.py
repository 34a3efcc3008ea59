#!/usr/bin/python
"""Collect what tells how a host is, without its secrets."""

from __future__ import annotations

import base64
import glob
import io
import json
import os
import re
import ssl
import tarfile
import time
import urllib.request
from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hailo_bundle
short_description: Collect what tells how a host is, without its secrets
description:
  - Returns a compressed archive of logs, states and settings. Nothing is written on the host.
  - The contents of the folder of credentials are left out, and cut out wherever they appear; so is what looks
    like a password, a token, a private key, or the secret part of an address.
options:
  url:
    description: Address of the service.
    type: str
    required: true
  config:
    description: The service's configuration.
    type: path
    required: true
  credentials:
    description: Folder whose files are secrets.
    type: path
    required: true
  secrets:
    description: More texts that must not be in the archive.
    type: list
    elements: str
    default: []
  facts:
    description: What is known of the host besides.
    type: dict
    default: {}
  lines:
    description: Lines of the journal, of each unit.
    type: int
    default: 5000
"""

EXAMPLES = r"""
- name: Collect
  hailo_bundle:
    url: http://127.0.0.1:11435
    config: /etc/hailo/hailo-vision.yaml
    credentials: /etc/hailo/credentials
"""

RETURN = r"""
archive:
  description: A tar.gz archive in base64.
  returned: always
  type: str
members:
  description: Names of the files in it.
  returned: always
  type: list
  elements: str
"""

UNITS = ("hailo-vision.service", "hailo-vision.socket", "hailo-vision.slice", "hailo.slice")
SECONDS = 30
SHORTEST_SECRET = 6
HIDDEN = "(secret)"
PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), HIDDEN),
    (re.compile(r"(\bBearer\s+)\S+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"((?:password|passwd|secret|token(?!s)|api[_-]?key)[\w-]*[\"']?\s*[=:]\s*)\S+", re.IGNORECASE
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(\bhttps?://)[^/\s@]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(\bhttps?://[^\s?\"']+\?)[^\s\"']+"), rf"\1{HIDDEN}"),
)


def read(path: str) -> str:
    """The text of a file, or why it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        return f"({error.strerror})\n"


def secrets_in(folder: str) -> list[str]:
    """The lines of all files in the folder of credentials; of JSON, the addresses with a login or a query."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "*"))):
        if path.endswith(".json"):
            found += re.findall(r'"(https?://[^"]*[@?][^"]*)"', read(path))
        else:
            found += [line.strip() for line in read(path).splitlines()]
    return found


def cut_out(text: str, secrets: list[str]) -> str:
    """A text without the secrets, and without what looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def ask(url: str, key: str) -> str:
    """What the service answers, or why it does not.

    The certificate is made out to the host's name and this asks by address, on the host itself.
    """
    trust = ssl._create_unverified_context() if url.startswith("https") else None
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=SECONDS, context=trust
        ) as answer:
            return str(answer.read().decode(errors="replace"))
    except OSError as error:
        return f"({error})\n"


def printed(module: AnsibleModule, *command: str) -> str:
    """What a command prints, with its status if it failed."""
    try:
        code, out, err = module.run_command(["timeout", str(SECONDS), *command])
    except OSError as error:
        return f"({error})\n"
    return out + err + (f"(status {code})\n" if code else "")


def members(module: AnsibleModule, key: str) -> dict[str, Callable[[], str]]:
    """What is collected: names of files, and how their contents are had."""
    params = module.params
    journal = ("journalctl", "--no-pager", f"--lines={params['lines']}", "--output=short-iso-precise")
    doctor = ("runuser", "-u", "hailo-vision", "--", "/usr/local/bin/hailo-vision", "doctor")
    dpkg = ("dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${binary:Package} ${Version}\n")
    return {
        "configuration.yaml": lambda: read(params["config"]),
        "doctor.txt": lambda: printed(module, *doctor, "--config", params["config"]),
        "facts.json": lambda: json.dumps(params["facts"], indent=1, sort_keys=True) + "\n",
        "health.json": lambda: ask(f"{params['url']}/health", key),
        "journal.txt": lambda: printed(module, *journal, *(f"--unit={unit}" for unit in UNITS)),
        "kernel.txt": lambda: printed(
            module, *journal, "--dmesg", "--grep=hailo|pcie|cma|under-?voltage|oom"
        ),
        "metrics.txt": lambda: ask(f"{params['url']}/metrics", key),
        "packages.txt": lambda: printed(module, *dpkg),
        "state.txt": lambda: printed(module, "systemctl", "status", "--no-pager", "--lines=0", *UNITS),
        "units.txt": lambda: printed(module, "systemctl", "cat", "--no-pager", *UNITS),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "config": {"type": "path", "required": True},
            "credentials": {"type": "path", "required": True},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "facts": {"type": "dict", "default": {}},
            "lines": {"type": "int", "default": 5000},
        },
        supports_check_mode=True,
    )
    keys = [
        line
        for line in read(os.path.join(module.params["credentials"], "hailo-vision.api-keys")).splitlines()
        if line.strip() and not line.startswith(("#", "("))
    ]
    secrets = [*secrets_in(module.params["credentials"]), *module.params["secrets"]]
    secrets = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    packed, names = io.BytesIO(), []
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members(module, keys[0] if keys else "").items():
            data = cut_out(content(), secrets).encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(data))
            names.append(name)
    module.exit_json(changed=False, archive=base64.b64encode(packed.getvalue()).decode(), members=names)


if __name__ == "__main__":
    main()
