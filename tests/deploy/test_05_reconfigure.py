"""One changed setting changes what depends on it, and a hand edit is undone."""

import re
from collections.abc import Iterator

import pytest

from tests.deploy.conftest import Pi, limit, playbook

CONFIG = "/etc/hailo/hailo-vision.yaml"


@pytest.fixture
def restored(pis: list[Pi]) -> Iterator[None]:
    """The hosts as their inventory wants them after the test."""
    yield
    assert playbook("site.yml").returncode == 0


@pytest.mark.usefixtures("restored")
def test_a_changed_setting_is_in_force_after_one_restart(pi: Pi) -> None:
    starts = _starts(pi)
    result = playbook("site.yml", "--extra-vars", "hailo_vision_max_tokens=33", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    changed = _changed_tasks(result.stdout)
    assert len(changed) <= 4
    assert all(task.startswith("hailo_vision : ") for task in changed), changed
    assert "max_tokens: 33" in pi.run(f"cat {CONFIG}")
    assert _starts(pi) == starts + 1


def _changed_tasks(output: str) -> set[str]:
    """The names of the tasks that changed something on any host."""
    name, found = "", set()
    for line in output.splitlines():
        if heading := re.match(r"(?:TASK|RUNNING HANDLER) \[(.+)\] \*", line):
            name = heading[1]
        elif line.startswith("changed: "):
            found.add(name)
    return found


def _starts(pi: Pi) -> int:
    return int(pi.run("journalctl -b -u hailo-vision.service -o cat | grep -c '^Starting '"))


@pytest.mark.usefixtures("restored")
def test_many_changes_in_a_row_are_no_crash_loop(pi: Pi) -> None:
    for tokens in (40, 41, 42, 43, 44):
        result = playbook(
            "site.yml", "--extra-vars", f"hailo_vision_max_tokens={tokens}", "--limit", limit(pi),
        )  # fmt: skip
        assert result.returncode == 0, result.stdout[-3000:]
    assert pi.property("Result") == "success"


def test_a_service_that_gave_up_is_started_again(pi: Pi) -> None:
    pi.run("for n in 1 2 3 4 5 6 7; do systemctl restart --no-block hailo-vision; sleep 0.3; done")
    assert pi.property("Result") == "start-limit-hit"
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    pi.wait_ready(5)


@pytest.mark.usefixtures("restored")
def test_a_hand_edited_file_and_a_stopped_service_are_repaired(pi: Pi) -> None:
    whole = pi.run(f"cat {CONFIG}")
    pi.run(f"echo '# edited by hand' >> {CONFIG}; systemctl stop hailo-vision.service")
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.run(f"cat {CONFIG}") == whole
    pi.wait_ready(5)


@pytest.mark.usefixtures("restored")
def test_a_deleted_model_is_fetched_again(pi: Pi) -> None:
    model = "/var/lib/hailo-vision/resources/Qwen2-VL-2B-Instruct.hef"
    before = pi.run(f"sha256sum {model}")
    pi.run(f"rm {model}")
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.run(f"sha256sum {model}") == before
