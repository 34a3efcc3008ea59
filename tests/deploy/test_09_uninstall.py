"""Uninstalling leaves nothing of ours, twice."""

from tests.deploy.conftest import Site, changes

TRACES = (
    "/opt/hailo-vision",
    "/etc/hailo/hailo-vision.yaml",
    "/etc/systemd/system/hailo-vision.service",
    "/etc/systemd/system/hailo-vision.slice",
)


def test_nothing_of_ours_remains_and_a_second_run_changes_nothing(site: Site) -> None:
    result = site.playbook("uninstall.yml", "--extra-vars", "purge_data=true")
    assert result.returncode == 0, result.stdout[-3000:]
    for pi in site.pis:
        left = pi.run(f"ls -d {' '.join(TRACES)} /var/lib/hailo-vision 2>/dev/null", check=False)
        assert left == ""
        assert pi.run("getent passwd hailo-vision", check=False) == ""
        assert pi.run("systemctl list-units --all --no-legend 'hailo-vision*'") == ""
    again = site.playbook("uninstall.yml", "--extra-vars", "purge_data=true")
    assert again.returncode == 0, again.stdout[-3000:]
    assert [changes(again, pi) for pi in site.pis] == [0, 0]
