"""What the action hailo_paths hands to its module."""

from types import SimpleNamespace
from typing import Any

from ansible import constants
from support.modules import load

paths = load("plugins/action/hailo_paths.py", "hailo_paths_action")


def test_the_host_writes_no_call_into_its_journal() -> None:
    """Ansible takes a secret out as it is, and there its line breaks would be written as \\n."""
    given: dict[str, Any] = {}
    action = object.__new__(paths.ActionModule)
    arguments = {"paths": [{"path": "/etc/keys", "secret": "one\ntwo\n"}]}
    action._task = SimpleNamespace(args=arguments, async_val=0, check_mode=False)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="none"))
    action._execute_module = lambda **words: given.update(words) or {}
    action.run(task_vars={"inventory_hostname": "pi01"})
    assert given["module_args"] == arguments
    assert constants.config.get_config_value("DEFAULT_NO_TARGET_SYSLOG", variables=given["task_vars"]) is True
