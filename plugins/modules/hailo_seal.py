#!/usr/bin/python
"""Record that an installed tree is complete: its fingerprint, beside it, once all of it is on the disk.

By that hailo_facts tells later whether it is still as it was installed. M(ansible.builtin.command) has
C(creates), which holds for a tree that was cut off or edited, too.
"""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import hailo_disk
from ..module_utils.hailo_tree import fingerprint, is_intact, seal_path


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True
    )
    path = module.params["path"]
    if is_intact(path):
        module.exit_json(changed=False)
    if not module.check_mode:
        # What installed the tree did not wait for the disk.
        os.sync()
        hailo_disk.write(seal_path(path), fingerprint(path) + "\n", lambda new: os.chmod(new, 0o644))
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
