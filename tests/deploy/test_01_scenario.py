"""A fresh install, a second run that changes nothing, and the operator's own check.

The files of this folder are numbered because they share their hosts: the last one uninstalls.
"""

from tests.deploy.conftest import Site, changes, molecule


def test_a_second_run_changes_nothing(site: Site) -> None:
    molecule("idempotence")


def test_check_mode_sees_nothing_to_do(site: Site) -> None:
    result = site.playbook("site.yml", "--check", "--diff")
    assert result.returncode == 0, result.stdout[-3000:]
    assert [changes(result, pi) for pi in site.pis] == [0, 0]


def test_the_verify_playbook_agrees(site: Site) -> None:
    molecule("verify")
