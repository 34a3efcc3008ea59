#!/usr/bin/python
"""Keep the state in which the service was ready, or go back to it.

No builtin module keeps files, links and what was not there as one state, or restores it in one step.
"""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.hailo_state import (
    CERTIFICATE,
    KEYS,
    PACKAGES,
    PATHS,
    capture,
    differences,
    keep,
    load,
    packages,
    release,
    restore,
)

DOCUMENTATION = r"""
module: hailo_good
short_description: Keep the state in which the service was ready, or go back to it
description:
  - A state is the release that the service runs, its configuration and its units. Two are kept, the last good
    one and the last good one with another release. Both stay on the host, readable by root only.
  - Keys are not restored where there are others now, and neither is the certificate of the previous state.
options:
  state:
    description: Whether the present state is kept, or a kept one restored.
    type: str
    choices: [kept, restored]
    required: true
  packages:
    description: Versions of driver and runtime, to be kept with the state.
    type: dict
    default: {}
  name:
    description: Which kept state to restore.
    type: str
    choices: [last, previous]
    default: last
"""

RETURN = r"""
release:
  description: The release of the state that was kept or restored.
  returned: always
  type: str
packages:
  description: The versions of driver and runtime that the restored state was kept with.
  returned: when restored
  type: dict
changed_paths:
  description: What was put back.
  returned: when restored
  type: list
  elements: str
"""


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["kept", "restored"], "required": True},
            "packages": {"type": "dict", "default": {}},
            "name": {"type": "str", "choices": ["last", "previous"], "default": "last"},
        },
        supports_check_mode=True,
    )
    if module.params["state"] == "kept":
        now = [*capture(), {"path": PACKAGES, "versions": module.params["packages"]}]
        changed = now != load("last")
        if changed and not module.check_mode:
            keep(now)
        module.exit_json(changed=changed, release=release(now))
    wanted = load(module.params["name"])
    if not wanted:
        module.fail_json(msg=f"No {module.params['name']} good state was kept on this host.")
    # A certificate may be why the last state is wanted; the previous one's has run out by now.
    spared = (KEYS,) if module.params["name"] == "last" else (KEYS, *CERTIFICATE)
    paths = differences(wanted, PATHS, spared)
    if paths and not module.check_mode:
        restore(wanted, PATHS, spared)
    module.exit_json(
        changed=bool(paths), release=release(wanted), packages=packages(wanted), changed_paths=paths
    )


if __name__ == "__main__":
    main()
