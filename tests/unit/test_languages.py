"""A host may speak another language than its tasks look for."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from support.modules import TOP

# Of ours or systemd's: they speak English only.
ENGLISH = ("systemctl", "journalctl", "/usr/bin/python3")


def commands(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tasks that run a command, also those in blocks."""
    for task in tasks:
        for part in ("block", "rescue", "always"):
            yield from commands(task.get(part, []))
        if "ansible.builtin.command" in task:
            yield task


@pytest.mark.parametrize("path", sorted(TOP.glob("roles/*/tasks/*.yml")), ids=lambda path: path.parts[-3:])
def test_errors_that_are_looked_into_are_in_english(path: Any) -> None:
    text = path.read_text()
    for task in commands(yaml.safe_load(text)):
        looked_into = re.search(rf"(' (not )?in\s+|\{{ ){task.get('register')}\.stderr", text)
        program = task["ansible.builtin.command"].get("argv", ["hailortcli"])[0]
        if looked_into and program not in ENGLISH:
            assert task.get("environment", {}).get("LC_ALL") == "C", task["name"]
