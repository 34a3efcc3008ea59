"""Renders the templates of what M(hailo_vision.deploy.hailo_paths) is to write.

The lookup M(ansible.builtin.template) does so, too, but copies all variables of the host for each file, which
took longer than anything else of a run in which nothing changes.
"""

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template


class ActionModule(ActionBase):
    """Takes the module's arguments; a file may have ``template``, a name in templates/, for ``content``."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args | {"paths": [self._render(item) for item in self._task.args["paths"]]}
        # What the module would log of its call shows a secret that has line breaks.
        quiet = (task_vars or {}) | {"ansible_no_target_syslog": True}
        result |= self._execute_module(module_args=arguments, task_vars=quiet)
        return result

    def _render(self, item: dict[str, Any]) -> dict[str, Any]:
        plain = {name: value for name, value in item.items() if name != "template"}
        if plain == item or item.get("state", "file") != "file":
            return plain
        text = Path(self._find_needle("templates", item["template"])).read_text("utf-8")
        return {**plain, "content": self._templar.template(trust_as_template(text), escape_backslashes=False)}
