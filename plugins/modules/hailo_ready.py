#!/usr/bin/python
"""Wait until the service is ready, or tell why it is not.

M(ansible.builtin.uri) would ask to the end of its retries also where waiting does not help, and knows neither
what systemd says nor who holds the device.
"""

from __future__ import annotations

import glob
import http.client
import json
import ssl
import time
import urllib.request
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.hailo_holders import describe, holders, unit_of

DOCUMENTATION = r"""
module: hailo_ready
short_description: Wait until the service is ready, or tell why it is not
description:
  - Asks the service for its health, on the host itself, until it is ready or has failed for good.
  - Ends early when systemd has given the service up or is not asked to start it, and when only somebody else
    can help, as when another program holds the device. The failure names the service's own reason, what
    systemd knows, and the end of the journal.
options:
  url:
    description: Address of the service.
    type: str
    required: true
  timeout:
    description: Seconds that the service may take.
    type: int
    required: true
"""

RETURN = r"""
health:
  description: What the service says of itself.
  returned: when it answers
  type: dict
waited:
  description: Seconds until the service was ready.
  returned: when ready
  type: float
"""

UNIT = "hailo-vision.service"
READY = ("ready", "generating", "unloading", "unloaded")
PAUSE = 0.5
# Between a stop and a start of systemd's own, and while a request of ours makes it start the service.
IDLE_LOOKS = 5
JOURNAL_LINES = "15"
DEVICE_NODES = ("/dev/hailo[0-9]*", "/dev/h1x-[0-9]*")


def ask(url: str) -> dict[str, Any]:
    """The service's health; empty if it does not answer.

    This asks by address, on the host itself: the certificate is made out to the host's name, and a proxy of
    the environment knows nothing of it.
    """
    trust = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)
    try:
        with opener.open(f"{url}/health", timeout=5) as answer:
            return dict(json.load(answer))
    except (OSError, ValueError, http.client.HTTPException):
        return {}


def unit(module: AnsibleModule) -> dict[str, str]:
    """What systemd knows of the service."""
    properties = "ActiveState,SubState,Result,StatusText,Job"
    _, out, _ = module.run_command(["systemctl", "show", f"--property={properties}", UNIT], check_rc=True)
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def strangers() -> list[str]:
    """Processes of others that hold the device."""
    nodes = {path for pattern in DEVICE_NODES for path in glob.glob(pattern)}
    return [describe(pid) for pid in holders(nodes) if unit_of(pid) != UNIT]


def hopeless(health: dict[str, Any]) -> str:
    """What the service will wait for in vain, as a sentence; empty if it may get ready yet."""
    code = (health.get("problem") or {}).get("code")
    if code == "device_permission":
        return "Waiting does not help. "
    if code in ("device_busy", "npu_memory") and (found := strangers()):
        return f"The device is held by {' and '.join(found)}. "
    return ""


def is_idle(state: dict[str, str]) -> bool:
    """Whether the service does not run, and systemd is about to change nothing about that."""
    return state["ActiveState"] == "inactive" and state.get("Job", "0") in ("", "0")


def explain(module: AnsibleModule, url: str, health: dict[str, Any], state: dict[str, str]) -> str:
    """Why the service is not ready, in sentences."""
    problem = health.get("problem")
    if problem:
        text = f"The service says: {problem['message']} {problem.get('cure') or ''} "
    elif health:
        text = f"The service says that it is {health.get('state')}. "
    else:
        text = f"Nothing answers at {url}. "
        text += "The service is not started: site.yml installs and starts it. " if is_idle(state) else ""
    text += (
        f"systemd says: {state.get('ActiveState')} ({state.get('SubState')}), result {state.get('Result')}"
    )
    if state.get("StatusText"):
        text += f', "{state["StatusText"]}"'
    text = hopeless(health) + text
    _, journal, _ = module.run_command(
        ["journalctl", f"--unit={UNIT}", f"--lines={JOURNAL_LINES}", "--no-pager", "--output=cat"]
    )
    return f"{text}. The journal ends with:\n{journal.strip()}"


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "timeout": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    url, started, idle = module.params["url"], time.monotonic(), 0
    while True:
        health = ask(url)
        waited = time.monotonic() - started
        if health.get("state") in READY:
            module.exit_json(changed=False, health=health, waited=round(waited, 1))
        state = unit(module)
        idle = idle + 1 if not health and is_idle(state) else 0
        over = health.get("state") == "failed" or state["ActiveState"] == "failed" or hopeless(health)
        if over or idle == IDLE_LOOKS or waited > module.params["timeout"]:
            module.fail_json(msg=explain(module, url, health, state), health=health)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
