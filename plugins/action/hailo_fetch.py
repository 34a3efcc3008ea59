"""Has fetch.py of the role hailo_model bring the file of an order, and shows how far it is; no builtin does.

Arguments: script and order, paths on the host; seconds between two lines of progress; unit, if it is a unit
of systemd that fetches. Each look takes one round trip; a model that is there takes one in all.
"""

import json
import shlex
import time
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Asks the script again each time its seconds are over."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The script's last word: reason, waits, changed; or failed and msg."""
        super().run(tmp, task_vars)
        arguments = self._task.args
        host = self._task.delegate_to or (task_vars or {})["inventory_hostname"]
        follow = ["follow", arguments["order"], str(arguments["seconds"]), arguments.get("unit", "")]
        verb = ["look", arguments["order"]] if self._task.check_mode else follow
        command = shlex.join(["python3", "-EsB", arguments["script"], *verb])
        before, began = None, time.monotonic()
        while True:
            answer = self._low_level_execute_command(command)
            if answer["rc"] != 0 and self._task.check_mode:
                return {"changed": True, "reason": "it is missing", "waits": False}
            if answer["rc"] != 0:
                return {"failed": True, "msg": f"fetch.py failed: {answer['stderr'] or answer['stdout']}"}
            result: dict[str, Any] = json.loads(answer["stdout"].strip().rpartition("\n")[2])
            if "progress" not in result:
                return {"changed": bool(result.get("reason")), **result}
            done, total = result["progress"]
            now = time.monotonic()
            rest = left(before, done, total, now - began)
            self._display.display(f"{host}: {done / max(total, 1):.0%} of {total / 1e9:.1f} GB{rest}")
            before, began = done, now


def left(before: int | None, done: int, total: int, seconds: float) -> str:
    """How long the rest takes at the last call's pace; the first call may have begun with older bytes."""
    if before is None or done <= before:
        return ""
    minutes = (total - done) / (done - before) * seconds / 60
    return f", {minutes:.0f} min to go" if minutes >= 1 else ", less than a minute to go"
