"""What the role shows of a transfer, and how it takes the script's words."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.modules import TOP, load

action = load("plugins/action/hailo_fetch.py", "hailo_fetch_action")
Make = Callable[..., Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Runs the plugin against answers of the script; returns its result, the commands, and what was shown."""
    monkeypatch.setattr(action.ActionBase, "run", lambda *_: {})

    def run(*answers: Any, check: bool = False) -> tuple[dict[str, Any], list[str], list[str]]:
        commands: list[str] = []
        shown: list[str] = []
        left = list(answers)

        def execute(command: str) -> dict[str, Any]:
            commands.append(command)
            answer = left.pop(0)
            failed = isinstance(answer, str)
            said = "" if failed else f"sudo says hello\r\n{json.dumps(answer)}\r\n"
            return {"rc": int(failed), "stdout": said, "stderr": answer if failed else ""}

        task = object.__new__(action.ActionModule)
        arguments = {"script": "/s/fetch.py", "order": "/o/order", "seconds": 30, "unit": "model.service"}
        task._task = SimpleNamespace(delegate_to=None, args=arguments, check_mode=check)
        task._display = SimpleNamespace(display=shown.append)
        task._low_level_execute_command = execute
        return task.run(task_vars={"inventory_hostname": "pi01"}), commands, shown

    return run


def test_it_shows_how_far_it_is_until_all_is_there(run: Make) -> None:
    done = {"changed": True, "reason": "it is missing", "waits": False}
    going = [{"progress": [10**9, 2 * 10**9]}, {"progress": [15 * 10**8, 2 * 10**9]}]
    result, commands, shown = run(*going, done)
    assert result == done
    assert shown == ["pi01: 50% of 2.0 GB", "pi01: 75% of 2.0 GB, less than a minute to go"]
    assert set(commands) == {"python3 -EsB /s/fetch.py follow /o/order 30 model.service"}
    assert action.left(10**9, 15 * 10**8, 45 * 10**8, 30) == ", 3 min to go"


def test_before_the_length_is_known_there_is_no_share_of_it(run: Make) -> None:
    assert run({"progress": [0, 0]}, {"changed": True})[2] == ["pi01: 0% of 0.0 GB"]


def test_check_mode_looks_and_touches_nothing(run: Make) -> None:
    result, commands, _ = run({"reason": "its length changed", "waits": False}, check=True)
    assert (result["changed"], result["reason"]) == (True, "its length changed")
    assert commands == ["python3 -EsB /s/fetch.py look /o/order"]
    assert run({"reason": "", "waits": True}, check=True)[0]["changed"] is False


def test_on_a_host_without_the_script_a_model_is_missing(run: Make) -> None:
    assert run("no such file", check=True)[0]["reason"] == "it is missing"
    assert run("no such file")[0] == {"failed": True, "msg": "fetch.py failed: no such file"}


@pytest.mark.parametrize(("free", "said"), [(4096, "The disk of /srv is full."), (10**9, "The transfer")])
def test_a_full_disk_is_told_where_nothing_could_be_written_down(
    monkeypatch: pytest.MonkeyPatch, free: int, said: str
) -> None:
    monkeypatch.syspath_prepend(str(TOP / "roles/hailo_model/files"))
    model = importlib.import_module("model")
    monkeypatch.setattr(model.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    assert model.unexplained(model.Order(Path("/srv/m.hef"), "v5.1.1/blob/m.hef"))["message"].startswith(said)
