"""Uninstalling leaves nothing of ours, twice."""

from tests.deploy.conftest import Pi, changes, playbook

TRACES = (
    "/opt/hailo-vision",
    "/etc/hailo/hailo-vision.yaml",
    "/etc/systemd/system/hailo-vision.service",
    "/etc/systemd/system/hailo-vision.slice",
    "/usr/local/bin/hailo-vision",
    "/var/lib/hailo-driver",
)


def test_nothing_of_ours_remains_and_a_second_run_changes_nothing(pis: list[Pi]) -> None:
    result = playbook("uninstall.yml", "--extra-vars", "purge_data=true")
    assert result.returncode == 0, result.stdout[-3000:]
    for pi in pis:
        left = pi.run(f"ls -d {' '.join(TRACES)} /var/lib/hailo-vision 2>/dev/null", check=False)
        assert left == ""
        assert pi.run("apt-mark showhold") == ""
        assert pi.run("getent passwd hailo-vision", check=False) == ""
        assert pi.run("systemctl list-units --all --no-legend 'hailo-vision*'") == ""
    again = playbook("uninstall.yml", "--extra-vars", "purge_data=true")
    assert again.returncode == 0, again.stdout[-3000:]
    assert [changes(again, pi) for pi in pis] == [0, 0]
