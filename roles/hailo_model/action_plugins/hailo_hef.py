"""Shows how far hailo_hef is: of a module that runs, Ansible shows nothing."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Calls the module again each time its ``seconds`` are over; a model that is in place takes one call."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the last call."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        host = self._task.delegate_to or variables["inventory_hostname"]
        before, began = None, time.monotonic()
        while True:
            result: dict[str, Any] = self._execute_module(task_vars=variables)
            if "progress" not in result:
                return result
            done, total = result["progress"]
            now = time.monotonic()
            rest = left(before, done, total, now - began)
            self._display.display(f"{host}: {done / total:.0%} of {total / 1e9:.1f} GB{rest}")
            before, began = done, now


def left(before: int | None, done: int, total: int, seconds: float) -> str:
    """How long the rest takes at the last call's pace; the first call may have begun with older bytes."""
    if before is None or done <= before:
        return ""
    minutes = (total - done) / (done - before) * seconds / 60
    return f", {minutes:.0f} min to go" if minutes >= 1 else ", less than a minute to go"
