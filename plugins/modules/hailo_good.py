#!/usr/bin/python
"""Keep the state in which the service was ready, or go back to it: release, configuration and units.

No builtin module keeps files, links and what was not there as one state, or restores it in one step. The last
good state and the last good one with another release, driver or runtime stay on the host, for root to read.
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import hailo_state as states


def main() -> None:
    """Entry point; the result has `release`, and of a restored state `packages` and `changed_paths`."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["kept", "restored"], "required": True},
            # Versions of driver and runtime, to be kept with the state.
            "packages": {"type": "dict", "default": {}},
            # Which kept state to restore.
            "name": {"type": "str", "choices": ["last", "previous"], "default": "last"},
        },
        supports_check_mode=True,
    )
    if module.params["state"] == "kept":
        now = [*states.capture(), {"path": states.PACKAGES, "versions": module.params["packages"]}]
        changed = now != states.load("last")
        if changed and not module.check_mode:
            states.keep(now)
        module.exit_json(changed=changed, release=states.release(now))
    name = module.params["name"]
    wanted = states.load(name)
    if not wanted:
        module.fail_json(msg=f"No {name} good state was kept on this host.")
    # A certificate may be why the last state is wanted; the previous one's has run out by now.
    spared = (states.KEYS,) if name == "last" else (states.KEYS, *states.CERTIFICATE)
    paths = states.restore(wanted, states.PATHS, spared, module.check_mode)
    module.exit_json(
        changed=bool(paths),
        release=states.release(wanted),
        packages=states.packages(wanted),
        changed_paths=paths,
    )


if __name__ == "__main__":
    main()
