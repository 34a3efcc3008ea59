#!/usr/bin/python
"""Wait until the service is ready, or tell why it is not: its own reason, systemd's, the end of the journal.

M(ansible.builtin.uri) would ask to the end of its retries also where waiting does not help, and knows neither
what systemd says nor who holds the device.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import time
import urllib.parse
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.hailo_look import DEVICE_NODES, describe, holders, matching, unit_of

UNIT = "hailo-vision.service"
READY = ("ready", "generating", "unloading", "unloaded")
PAUSE = 0.5
# Between a stop and a start of systemd's own, and while a request of ours makes it start the service.
SETTLED_LOOKS = 5
# Why nothing answers, by the state of the unit, where systemd is about to change nothing.
SETTLED = {
    "inactive": "The service is not started: site.yml installs and starts it. ",
    "active": "The service listens somewhere else: site.yml gives it the settings of the inventory. ",
}


def ask(url: str) -> dict[str, Any] | None:
    """The service's health; empty if nobody has one at this address, None if the answer takes too long.

    This asks by address, on the host itself, and the certificate is made out to the host's name.
    """
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.netloc, timeout=5)
    if where.scheme == "https":
        trust = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(where.netloc, timeout=5, context=trust)
    try:
        with contextlib.closing(connection):
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return dict(json.load(answer)) if answer.status == 200 else {}
    except TimeoutError:
        return None
    except (OSError, ValueError, TypeError, http.client.HTTPException):
        return {}


def unit(module: AnsibleModule) -> dict[str, str]:
    """What systemd knows of the service."""
    properties = "ActiveState,SubState,Result,StatusText,Job"
    _, out, _ = module.run_command(["systemctl", "show", f"--property={properties}", UNIT], check_rc=True)
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def hopeless(health: dict[str, Any]) -> str:
    """What the service will wait for in vain, as a sentence; empty if it may get ready yet."""
    code = (health.get("problem") or {}).get("code")
    if code == "device_permission":
        return "Waiting does not help. "
    if code in ("device_busy", "npu_memory"):
        nodes = matching(*DEVICE_NODES)
        strangers = [describe(pid) for pid in holders(nodes) if unit_of(pid) != UNIT]
        return f"The device is held by {' and '.join(strangers)}. " if strangers else ""
    return ""


def settled(health: dict[str, Any] | None, state: dict[str, str]) -> str:
    """Why nothing will ever answer, as a sentence; empty if something does, or systemd is at work on it."""
    if health != {} or state.get("Job", "0") not in ("", "0"):
        return ""
    return SETTLED.get(state["ActiveState"], "")


def explain(module: AnsibleModule, health: dict[str, Any] | None, state: dict[str, str]) -> str:
    """Why the service is not ready, in sentences."""
    if not health:
        text = f"Nothing answers at {module.params['url']}. {settled(health, state)}"
    elif problem := health.get("problem"):
        text = f"{hopeless(health)}The service says: {problem['message']} {problem.get('cure') or ''} "
    else:
        text = f"The service says that it is {health.get('state')}. "
    text += f"systemd says: {state['ActiveState']} ({state.get('SubState')}), result {state.get('Result')}"
    if state.get("StatusText"):
        text += f', "{state["StatusText"]}"'
    read = ["journalctl", f"--unit={UNIT}", "--lines=15", "--no-pager", "--output=cat"]
    _, journal, _ = module.run_command(read)
    return f"{text}. The journal ends with:\n{journal.strip()}"


def main() -> None:
    """Entry point; the result has `health`, what the service says of itself."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "timeout": {"type": "int", "required": True},  # seconds that the service may take
        },
        supports_check_mode=True,
    )
    started, looks = time.monotonic(), 0
    while True:
        health = ask(module.params["url"])
        said = health or {}
        if said.get("state") in READY:
            module.exit_json(changed=False, health=health)
        state = unit(module)
        looks = looks + 1 if settled(health, state) else 0
        over = looks == SETTLED_LOOKS or time.monotonic() - started > module.params["timeout"]
        if over or "failed" in (said.get("state"), state["ActiveState"]) or hopeless(said):
            module.fail_json(msg=explain(module, health, state), health=health)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
