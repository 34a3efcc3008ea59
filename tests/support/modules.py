"""Ansible modules of this repository, imported as Ansible does."""

import contextlib
import importlib
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
    from ansible.module_utils.testing import patch_module_args

TOP = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.hailo_vision.deploy"
sys.path.append(str(TOP / "playbooks/collections"))


def load(path: str, name: str) -> ModuleType:
    """Import a file below the repository's top in its place of the collection, under a name of its own."""
    full = ".".join([COLLECTION, *Path(path).parts[:-1], name])
    spec = importlib.util.spec_from_file_location(full, TOP / path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shared(name: str) -> ModuleType:
    """What modules share, as they import it."""
    return importlib.import_module(f"{COLLECTION}.plugins.module_utils.{name}")


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
