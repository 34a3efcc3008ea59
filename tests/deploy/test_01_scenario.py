"""A fresh install, a second run that changes nothing, and the operator's own check.

The files of this folder are numbered because they share their hosts: the last one uninstalls.
"""

from tests.deploy.conftest import Pi, changes, molecule, playbook


def test_check_mode_touches_nothing_on_a_fresh_host(hosts: list[Pi]) -> None:
    installed = [pi.run("dpkg-query --show; ls /opt /etc /var/lib; getent passwd") for pi in hosts]
    result = playbook("site.yml", "--check", "--diff")
    assert result.returncode == 0, result.stdout[-3000:]
    assert min(changes(result, pi) for pi in hosts) > 0
    assert [pi.run("dpkg-query --show; ls /opt /etc /var/lib; getent passwd") for pi in hosts] == installed


def test_a_second_run_changes_nothing(pis: list[Pi]) -> None:
    molecule("idempotence")


def test_check_mode_sees_nothing_to_do(pis: list[Pi]) -> None:
    result = playbook("site.yml", "--check", "--diff")
    assert result.returncode == 0, result.stdout[-3000:]
    assert [changes(result, pi) for pi in pis] == [0, 0]


def test_the_verify_playbook_agrees(pis: list[Pi]) -> None:
    molecule("verify")
