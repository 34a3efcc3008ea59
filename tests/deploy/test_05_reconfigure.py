"""One changed setting changes what depends on it, and what was broken by hand is repaired.

Each test finds what the one before it set, and its own run takes that back.
"""

import json
import re

import httpx
import pytest

from tests.deploy.conftest import Pi, changes, limit, playbook

CONFIG = "/etc/hailo/hailo-vision.yaml"
MODEL = "/var/lib/hailo-vision/resources/Qwen2-VL-2B-Instruct.hef"
PACKAGE = "/opt/hailo-vision/venv/lib/python3*/site-packages/sanic"
ROLES = {"hailo_driver", "hailo_apps", "hailo_model", "hailo_vision"}


def test_a_changed_limit_needs_no_restart(pi: Pi) -> None:
    process = pi.property("MainPID")
    result = playbook("site.yml", "--extra-vars", "hailo_vision_memory_max=2G", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert all(task.startswith("hailo_vision : ") for task in _changed_tasks(result.stdout))
    assert pi.property("MemoryMax", "hailo-vision.slice") == str(2 << 30)
    assert pi.property("MainPID") == process


def test_a_changed_setting_is_in_force_after_one_restart(pi: Pi) -> None:
    starts = _starts(pi)
    config = {"media": {"allow_hosts": ["127.0.0.1"]}}
    settings = json.dumps({"hailo_vision_max_tokens": 33, "hailo_vision_config": config})
    result = playbook("site.yml", "--extra-vars", settings, "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    changed = _changed_tasks(result.stdout)
    assert len(changed) <= 4
    assert all(task.startswith("hailo_vision : ") for task in changed), changed
    assert "max_tokens: 33" in pi.run(f"cat {CONFIG}")
    assert _starts(pi) == starts + 1
    # The unit's sandbox lets curl fetch a link: the service's own page, which is no image.
    part = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:11435/"}}
    body = {"model": "qwen2-vl-2b-instruct", "messages": [{"role": "user", "content": [part]}]}
    answer = httpx.post(f"{pi.url}/v1/chat/completions", json=body, timeout=60)
    assert answer.json()["error"]["code"] == "invalid_image", answer.text


def _changed_tasks(output: str) -> set[str]:
    """The names of the tasks that changed something on any host."""
    name, found = "", set()
    for line in output.splitlines():
        if heading := re.match(r"(?:TASK|RUNNING HANDLER) \[(?:hailo_vision\.deploy\.)?(.+)\] \*", line):
            name = heading[1]
        elif line.startswith("changed: "):
            found.add(name)
    return found


def _starts(pi: Pi) -> int:
    return int(pi.run("journalctl -b -u hailo-vision.service -o cat | grep -c '^Starting '"))


def test_many_restarts_in_a_row_are_no_crash_loop(pi: Pi) -> None:
    """systemd gives up after five starts in a quarter of an hour."""
    unit = "hailo-vision.service"
    pi.run(f"systemctl reset-failed {unit}; for n in 1 2 3 4 5; do systemctl restart {unit}; done")
    result = playbook("site.yml", "--extra-vars", "hailo_vision_max_tokens=40", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.property("Result") == "success"


def test_a_second_port_for_what_expects_ollama_there(pi: Pi) -> None:
    arguments = ("--extra-vars", "hailo_vision_ollama_port=11434", "--limit", limit(pi))
    result = playbook("site.yml", *arguments)
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.run("systemctl show --property=Listen --value hailo-vision.socket").count("Stream") == 2
    for port in (11434, 11435):
        answer = httpx.get(f"http://{pi.address}:{port}/api/tags").json()
        assert answer["models"][0]["name"].endswith(":latest")
    again = playbook("site.yml", *arguments)
    assert changes(again, pi) == 0


def test_a_service_that_gave_up_is_started_again(pi: Pi) -> None:
    # By itself, though its process goes on; then by systemd.
    pi.run(f"chown pi {MODEL}; chmod 0600 {MODEL}; systemctl restart hailo-vision.service")
    assert pi.health()["problem"]["code"] == "hef_unreadable"
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    pi.wait_ready(5)
    pi.run("for n in 1 2 3 4 5 6 7; do systemctl restart --no-block hailo-vision; sleep 0.3; done")
    assert pi.property("Result") == "start-limit-hit"
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    pi.wait_ready(5)


def test_what_was_broken_by_hand_is_shown_by_check_mode_and_repaired(pi: Pi) -> None:
    broken = f"test -e {MODEL} || echo no model; tail -n 1 {CONFIG}; ls {PACKAGE} || echo no package"
    whole = [pi.run(f"sha256sum {path}") for path in (CONFIG, MODEL)], pi.run(f"ls {PACKAGE}")
    pi.run(f"""
        echo '# edited by hand' >> {CONFIG}
        echo '# edited by hand' >> /opt/hailo-vision/vendor/hailo-apps/README.md
        rm -r {MODEL} {PACKAGE}
        chmod 0666 /dev/hailo0
        chmod 0700 /opt/hailo-vision
        chown pi /opt/hailo-vision/good
        systemctl stop hailo-vision.service
    """)
    before = pi.run(broken)
    shown = playbook("site.yml", "--check", "--diff", "--limit", limit(pi))
    assert shown.returncode == 0, shown.stdout[-3000:]
    assert "-# edited by hand" in shown.stdout
    assert pi.run(broken) == before
    assert pi.property("ActiveState") == "inactive"
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    for tasks in (_changed_tasks(shown.stdout), _changed_tasks(result.stdout)):
        assert {task.partition(" : ")[0] for task in tasks} == ROLES
        assert "hailo_vision : Write the configuration and the units" in tasks
    pi.wait_ready(5)
    assert ([pi.run(f"sha256sum {path}") for path in (CONFIG, MODEL)], pi.run(f"ls {PACKAGE}")) == whole
    assert pi.run("stat --format=%a /dev/hailo0 /opt/hailo-vision").split() == ["660", "755"]
    assert pi.ask("coffee.jpg")


def test_limits_that_are_written_into_the_file_hold_after_a_restart_and_are_drift(pi: Pi) -> None:
    pi.run(f"echo 'resource_limits: {{memory_max: 1G, cpu_quota: 10%}}' >> {CONFIG}")
    pi.run("systemctl reset-failed hailo-vision.service; systemctl restart hailo-vision.service")
    assert pi.property("MemoryMax", "hailo-vision.slice") == str(1 << 30)
    shown = playbook("site.yml", "--check", "--diff", "--limit", limit(pi))
    assert "-resource_limits: {memory_max: 1G, cpu_quota: 10%}" in shown.stdout
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.property("MemoryMax", "hailo-vision.slice") == str(3 << 30)
    assert pi.run("cat /run/systemd/system.control/hailo-vision.slice.d/* 2>/dev/null", check=False) == ""


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_tag_runs_alone(role: str, pi: Pi) -> None:
    result = playbook("site.yml", "--tags", role, "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert changes(result, pi) == 0, result.stdout[-3000:]
