"""A fresh install, a second run that changes nothing, and the operator's own check.

The files of this folder are numbered because they share their hosts: the last one uninstalls.
"""

import pytest

from tests.deploy import interruption
from tests.deploy.conftest import Pi, changes, limit, molecule, playbook


@pytest.fixture(scope="module")
def fresh(hosts: list[Pi]) -> list[Pi]:
    """The hosts, freshly booted, and no others of their names before."""
    molecule("destroy")
    molecule("create")
    return hosts


@pytest.fixture(scope="module")
def converged(fresh: list[Pi]) -> list[Pi]:
    """The hosts with the service deployed to them, at first in pieces if the tests of that have run."""
    molecule("syntax")
    molecule("converge")
    return fresh


def test_check_mode_touches_nothing_on_a_fresh_host(fresh: list[Pi]) -> None:
    installed = [pi.run("dpkg-query --show; ls /opt /etc /var/lib; getent passwd") for pi in fresh]
    result = playbook("site.yml", "--check", "--diff")
    assert result.returncode == 0, result.stdout[-3000:]
    assert min(changes(result, pi) for pi in fresh) > 0
    assert [pi.run("dpkg-query --show; ls /opt /etc /var/lib; getent passwd") for pi in fresh] == installed


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
def test_a_first_run_may_be_killed(task: str, fresh: list[Pi]) -> None:
    """The next one, of which the tests below tell, repairs what is half done beside a host that is fresh."""
    interruption.kill_at(task, "--limit", limit(fresh[0]))


def test_a_second_run_changes_nothing(converged: list[Pi]) -> None:
    molecule("idempotence")


def test_check_mode_sees_nothing_to_do(converged: list[Pi]) -> None:
    result = playbook("site.yml", "--check", "--diff")
    assert result.returncode == 0, result.stdout[-3000:]
    assert [changes(result, pi) for pi in converged] == [0, 0]


def test_the_verify_playbook_agrees(converged: list[Pi]) -> None:
    molecule("verify")
