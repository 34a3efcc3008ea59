"""Runs Ansible modules of this repository as Ansible does, in this process."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Ansible puts an object in the place of sys.intern; torch, which other suites import into this process later,
# takes only the function.
_intern = sys.intern
from ansible.module_utils.testing import patch_module_args  # noqa: E402

sys.intern = _intern

TOP = Path(__file__).resolve().parents[3]
Run = Callable[..., dict[str, Any]]


def load(path: str, name: str) -> ModuleType:
    """Import a file below the repository's top under a name of its own."""
    spec = importlib.util.spec_from_file_location(name, TOP / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", autouse=True)
def tree() -> ModuleType:
    """The shared part of the modules, where they import it from."""
    sys.modules["ansible.module_utils.hailo_tree"] = load(
        "playbooks/module_utils/hailo_tree.py", "ansible.module_utils.hailo_tree"
    )
    return sys.modules["ansible.module_utils.hailo_tree"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call a module's main() with arguments and return the result that it prints."""

    def call(module: ModuleType, check: bool = False, **arguments: Any) -> dict[str, Any]:
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(capsys.readouterr().out))

    return call
