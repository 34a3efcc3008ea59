#!/usr/bin/python
"""Keep the state in which the service was ready, or go back to it."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hailo_state import capture, differences, keep, load, release, restore

DOCUMENTATION = r"""
module: hailo_good
short_description: Keep the state in which the service was ready, or go back to it
description:
  - A state is the release that the service runs, its configuration and its units. Two are kept, the last good
    one and the last good one with another release. Both stay on the host, readable by root only.
options:
  state:
    description: Whether the present state is kept, or a kept one restored.
    type: str
    choices: [kept, restored]
    required: true
  name:
    description: Which kept state to restore.
    type: str
    choices: [last, previous]
    default: last
"""

EXAMPLES = r"""
- name: Keep what works
  hailo_good:
    state: kept
"""

RETURN = r"""
release:
  description: The release of the state that was kept or restored.
  returned: always
  type: str
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
            "name": {"type": "str", "choices": ["last", "previous"], "default": "last"},
        },
        supports_check_mode=True,
    )
    now = capture()
    if module.params["state"] == "kept":
        changed = now != load("last")
        if changed and not module.check_mode:
            keep(now)
        module.exit_json(changed=changed, release=release(now))
    wanted = load(module.params["name"])
    if not wanted:
        module.fail_json(msg=f"No {module.params['name']} good state was kept on this host.")
    paths = differences(wanted)
    if paths and not module.check_mode:
        restore(wanted)
    module.exit_json(changed=bool(paths), release=release(wanted), changed_paths=paths)


if __name__ == "__main__":
    main()
