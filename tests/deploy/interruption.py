"""Killing a playbook run in the middle, as a controller does that loses its power."""

import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from support.fleets import SCENARIO

from tests.deploy.conftest import LOGS, TOP, environment

_HEADING = re.compile(r"(?:TASK|RUNNING HANDLER) \[(?:[\w.-]+ : )?(.+)\] \*")
# So long after its heading a task is at work on the host.
_DELAY = 0.4


def kill_at(task: str, *arguments: str) -> None:
    """Run site.yml and kill it in the middle of the task of this name."""
    assert _run(lambda number, name: name == task, *arguments), f"the run did not come to {task!r}"


def kill_at_number(number: int, *arguments: str) -> bool:
    """Run site.yml and kill it in the middle of its n-th task; whether there is one."""
    return _run(lambda at, name: at == number, *arguments)


def _run(chosen: Callable[[int, str], bool], *arguments: str) -> bool:
    command = ["ansible-playbook", "-i", str(SCENARIO.inventory), "playbooks/site.yml", *arguments]
    counter = itertools.count(1)
    LOGS.mkdir(parents=True, exist_ok=True)
    with (
        (LOGS / "playbook-killed.log").open("w") as log,
        subprocess.Popen(
            command, cwd=TOP, env=environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            if (heading := _HEADING.match(line)) and chosen(next(counter), heading[1]):
                time.sleep(_DELAY)
                _kill(process.pid)
                return True
    assert process.returncode == 0, f"the run failed by itself: {LOGS}/playbook-killed.log"
    return False


def _kill(pid: int) -> None:
    """Kill a process and all that it started: Ansible's workers have sessions of their own."""
    victims = [pid]
    for victim in victims:
        children = Path(f"/proc/{victim}/task/{victim}/children")
        victims += [int(child) for child in children.read_text().split()] if children.exists() else []
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue
