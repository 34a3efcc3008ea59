"""A fresh install, a second run that changes nothing, and the operator's own check.

The files of this folder are numbered because they share their hosts: the last one uninstalls.
"""

import pytest

from tests.deploy import interruption
from tests.deploy.conftest import Pi, changes, limit, molecule, playbook


def test_check_mode_touches_nothing_on_a_fresh_host(hosts: list[Pi]) -> None:
    installed = [pi.run("dpkg-query --show; ls /opt /etc /var/lib; getent passwd") for pi in hosts]
    result = playbook("site.yml", "--check", "--diff")
    assert result.returncode == 0, result.stdout[-3000:]
    assert min(changes(result, pi) for pi in hosts) > 0
    assert [pi.run("dpkg-query --show; ls /opt /etc /var/lib; getent passwd") for pi in hosts] == installed


# Some of those that place files or start something. The tests of an upgrade kill at others.
TASKS = (
    "Download the packages",
    "Install the wheels",
    "Install the packages",
    "Reboot into the new driver and the boot settings",
    "Write the configuration and the units",
    "Start the socket and the service now and at boot",
)


@pytest.mark.parametrize("task", TASKS)
def test_a_first_run_may_be_killed(task: str, hosts: list[Pi]) -> None:
    """The next one, of which the tests below tell, repairs what is half done beside a host that is fresh."""
    interruption.kill_at(task, "--limit", limit(hosts[0]))


def test_a_second_run_changes_nothing(pis: list[Pi]) -> None:
    molecule("idempotence")


def test_check_mode_sees_nothing_to_do(pis: list[Pi]) -> None:
    result = playbook("site.yml", "--check", "--diff")
    assert result.returncode == 0, result.stdout[-3000:]
    assert [changes(result, pi) for pi in pis] == [0, 0]


def test_the_verify_playbook_agrees(pis: list[Pi]) -> None:
    molecule("verify")
