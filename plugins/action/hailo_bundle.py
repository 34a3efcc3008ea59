"""Writes what hailo_bundle returns on the controller: it touches neither the host's disk nor the output."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Takes ``dest``, a path on the controller, besides the module's options."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result, with the path in place of the archive."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        path = Path(arguments.pop("dest")).expanduser()
        result: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        if "archive" not in result:
            return result
        try:
            store(path, base64.b64decode(result.pop("archive")))
        except OSError as error:
            raise AnsibleActionFail(f"The bundle can't be stored as {path}: {error.strerror}.") from error
        return {**result, "changed": True, "dest": str(path)}


def store(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
