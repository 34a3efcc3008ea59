"""Ansible modules of this repository, imported as Ansible does."""

import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

# Ansible puts an object in the place of sys.intern; torch, which other suites import into this process later,
# takes only the function.
with patch.object(sys, "intern", sys.intern):
    import ansible.module_utils
    from ansible.module_utils.testing import patch_module_args

TOP = Path(__file__).resolve().parents[2]


def load(path: str, name: str) -> ModuleType:
    """Import a file below the repository's top under a name of its own."""
    spec = importlib.util.spec_from_file_location(name, TOP / path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(module: ModuleType, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """Call a module's main() with arguments; returns the result that it prints."""
    printed = io.StringIO()
    with (
        patch_module_args({**arguments, "_ansible_check_mode": check}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        module.main()
    return dict(json.loads(printed.getvalue()))


# What they share, where they import it from; in this order, as these import each other.
for _name in (
    "hailo_boot",
    "hailo_disk",
    "hailo_text",
    "hailo_holders",
    "hailo_tree",
    "hailo_state",
    "hailo_wheel",
):
    _full = f"ansible.module_utils.{_name}"
    sys.modules[_full] = load(f"playbooks/module_utils/{_name}.py", _full)
    setattr(ansible.module_utils, _name, sys.modules[_full])
