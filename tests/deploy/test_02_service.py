"""What a deployed Pi offers and how it is bounded."""

import base64
import re
import shlex
import time

import pytest

from tests.deploy.conftest import PHOTOS, TOP, Pi


def test_every_pi_answers_about_the_picture_it_was_given(pis: list[Pi]) -> None:
    for pi in pis:
        pi.wait_ready()
        answers = [pi.ask(photo) for photo in ("chelsea.jpg", "coffee.jpg", "chelsea.jpg")]
        assert answers[0] == answers[2]
        assert answers[0] != answers[1]


def test_health_tells_that_the_device_is_emulated(pi: Pi) -> None:
    health = pi.health()
    assert health["state"] == "ready"
    assert health["model_loaded"] is True
    assert health["device"]["emulated"] is True
    assert health["versions"]["hailort"].startswith("5.1.1")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("User", "hailo-vision"),
        ("Type", "notify"),
        ("Slice", "hailo-vision.slice"),
        ("DevicePolicy", "closed"),
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
    ],
)
def test_the_unit_is_confined(pi: Pi, name: str, expected: str) -> None:
    assert pi.property(name) == expected


def test_the_slice_is_limited(pi: Pi) -> None:
    assert int(pi.property("MemoryMax", "hailo-vision.slice")) > 0
    assert pi.property("CPUQuotaPerSecUSec", "hailo-vision.slice") != "infinity"


def test_processes_run_as_the_service_user_in_the_slice(pi: Pi) -> None:
    group = pi.run(f"cat /proc/{pi.property('MainPID')}/cgroup")
    assert "/hailo.slice/hailo-vision.slice/hailo-vision.service" in group
    assert pi.run("ps -o user= -C hailo-vision | sort -u") in ("hailo-vi+", "hailo-vision")


def test_code_belongs_to_root(pi: Pi) -> None:
    assert pi.run("find /opt/hailo-vision/ ! -user root -print -quit") == ""
    assert pi.run("find /opt/hailo-vision/ -perm /022 ! -type l -print -quit") == ""


def test_the_log_is_in_the_journal(pi: Pi) -> None:
    assert "Service ready" in pi.run("journalctl -b -u hailo-vision -o cat")


def test_the_commands_of_the_operators_guide_run(pi: Pi) -> None:
    """As the user pi."""
    _, _, section = (TOP / "docs/operator.md").read_text().partition("\n## Looking at a Pi\n")
    page = re.search(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert page
    photo = base64.b64encode((PHOTOS / "coffee.jpg").read_bytes()).decode()
    pi.run(f"echo {photo} | base64 --decode > /home/pi/photo.jpg")
    for command in page[1].splitlines():
        # One that follows the log is ended. The doctor finds no driver in the emulated Pi's kernel.
        status = 124 if " -f " in command else 1 if "doctor" in command else 0
        run = f"timeout {1 if status == 124 else 20} runuser -u pi -- sh -c {shlex.quote(command)}"
        told = pi.run(f"cd /home/pi; {run} 2>&1; echo ended with $?")
        assert told.endswith(f"ended with {status}"), told


def test_the_service_comes_back_after_a_reboot(pis: list[Pi]) -> None:
    pi = pis[1]
    boot = "cat /proc/sys/kernel/random/boot_id"
    before = pi.run(boot)
    pi.run("systemctl reboot", check=False)
    limit = time.monotonic() + 60
    while pi.run(boot, check=False) in (before, "") and time.monotonic() < limit:
        time.sleep(0.2)
    assert pi.run(boot) != before
    pi.wait_ready()
    assert pi.ask("coffee.jpg")
