"""Uninstalling leaves nothing of ours, twice; installing again gives what was there."""

import pytest

from tests.deploy.conftest import Pi, changes, limit, playbook

TRACES = """
find /etc /opt /usr/local /var/lib -name '*hailo-vision*' -o -name 'hailo-model*' -o -path /etc/hailo \\
    -o -name hailo.slice -o -name '7?-hailo*.rules' -o -path /var/lib/hailo-driver
getent passwd hailo-vision
getent group hailo hailo-vision
systemctl list-units --all --no-legend 'hailo-vision*' hailo.slice
apt-mark showhold
"""
JOURNAL = "systemd-journald.service"


# The release, configuration, units, accounts, model and hailo-apps; not what a service writes while it runs.
INSTALLED = """
find_all() {
    find /opt/hailo-vision/current/ /opt/hailo-vision/vendor /etc/hailo /etc/systemd/system \\
        /etc/udev/rules.d /var/lib/hailo-vision/resources -name __pycache__ -prune -o -name '*~' -o "$@"
}
find_all -printf '%p %M %u %g %l\\n' | sort
find_all -name '.*' -o -type f -print0 | sort --zero-terminated | xargs --null sha256sum
readlink /opt/hailo-vision/current /opt/hailo-vision/venv
stat --format='%n %A %U %G' /opt/hailo-vision /var/lib/hailo-vision /dev/hailo0
getent passwd hailo-vision | cut --delimiter=: --fields=1,5-
getent group | cut --delimiter=: --fields=1,4 | grep hailo | sort
systemctl list-unit-files --no-legend 'hailo*'
systemctl is-active hailo-vision.socket hailo-vision.service
"""


@pytest.fixture(scope="module")
def installed(pis: list[Pi]) -> str:
    """What is on a host after a whole installation: the tests before may have left files of their own."""
    one = ("--limit", limit(pis[0]))
    assert playbook("uninstall.yml", *one).returncode == 0
    assert playbook("site.yml", *one, "--extra-vars", "hailo_vision_journal=volatile").returncode == 0
    pis[0].wait_ready()
    assert "Storage=volatile" in pis[0].run("systemd-analyze cat-config systemd/journald.conf")
    return pis[0].run(INSTALLED)


@pytest.mark.usefixtures("installed")
def test_nothing_of_ours_remains_and_a_second_run_changes_nothing(pis: list[Pi]) -> None:
    shown = playbook("uninstall.yml", "--check", "-e", "purge_packages=true", "-e", "purge_data=true")
    assert shown.returncode == 0, shown.stdout[-3000:]
    assert all(pi.ask("coffee.jpg") for pi in pis)
    journal = pis[0].property("MainPID", JOURNAL)
    # Whatever is asked with -e is a text.
    switches = ("-e", "hailo_driver_purge_packages=false", "-e", "hailo_model_purge_data=true")
    result = playbook("uninstall.yml", *switches)
    assert result.returncode == 0, result.stdout[-3000:]
    # It reads its settings only when it starts.
    assert pis[0].property("MainPID", JOURNAL) != journal
    for pi in pis:
        assert pi.run(TRACES, check=False) == ""
        assert pi.run("dpkg-query --show --showformat='${db:Status-Status}' h10-hailort") == "installed"
    again = playbook("uninstall.yml", "--extra-vars", "purge_data=true")
    assert again.returncode == 0, again.stdout[-3000:]
    assert [changes(again, pi) for pi in pis] == [0, 0]


def test_what_the_role_did_not_make_is_left_alone(pis: list[Pi]) -> None:
    """A group of the system's, and a folder that the operator chose for the model."""
    pi = pis[0]
    pi.run("mkdir -p /srv/chosen; getent group plugdev || groupadd --system plugdev")
    mine = ("-e", "hailo_driver_group=plugdev", "-e", "hailo_model_resources_dir=/srv/chosen")
    result = playbook("uninstall.yml", "--limit", pi.name, *mine)
    assert result.returncode == 0, result.stdout[-3000:]
    left = pi.run("getent group plugdev | cut --delimiter=: --fields=1; ls -d /srv/chosen")
    assert left == "plugdev\n/srv/chosen"
    pi.run("rmdir /srv/chosen")


def test_installing_again_gives_what_was_there(installed: str, pis: list[Pi]) -> None:
    pi = pis[0]
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    now, before = set(pi.run(INSTALLED).splitlines()), set(installed.splitlines())
    assert (sorted(now - before), sorted(before - now)) == ([], [])
    assert pi.ask("coffee.jpg")
