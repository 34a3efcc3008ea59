"""The model on booted hosts: fetched by the service when it is missing, and by the role for all to see."""

import re

import httpx
from support.fleets import SCENARIO
from support.mirror import serve

from tests.deploy.conftest import Pi, changes, limit, playbook

FILE = "Qwen2-VL-2B-Instruct.hef"
PLACED = f"/var/lib/hailo-vision/resources/{FILE}"
FETCHED = "/var/lib/hailo-vision/state/fetched"
# Slow enough for a transfer to outlast a second, and for two at a time to meet.
PAUSE = 0.05


def test_a_service_whose_model_is_gone_fetches_it_and_answers(pi: Pi) -> None:
    whole = pi.run(f"sha256sum < {PLACED}")
    pi.run(
        f"rm {PLACED}; systemctl reset-failed hailo-vision.service; systemctl restart hailo-vision.service"
    )
    pi.wait_ready()
    assert pi.ask("coffee.jpg")
    assert pi.run(f"cat {FETCHED}/*.hef | sha256sum") == whole
    assert pi.run(f"stat --format %U {FETCHED}/*.hef") == "hailo-vision"
    assert "NPU fetching" in pi.run("journalctl -b -u hailo-vision.service -o cat --lines=20")


def test_the_role_shows_its_progress_keeps_to_its_transfers_and_takes_over(pis: list[Pi]) -> None:
    """After the test above: one host has the service's own copy, the other gets a model that is cut."""
    pis[1].run(f"truncate --size=-1 {PLACED}")
    with serve(str(SCENARIO.gateway)) as mirror:
        mirror.content = httpx.get(f"{SCENARIO.mirror_url}/v5.1.1/blob/{FILE}").content
        mirror.pause = PAUSE
        slow = f"hailo_model_mirror={mirror.url.rpartition('/v5')[0]}"
        settings = f"{slow} hailo_model_progress=1 hailo_model_transfers=1"
        result = playbook("site.yml", "--tags", "hailo_model", "--extra-vars", settings)
    assert result.returncode == 0, result.stdout[-3000:]
    for pi in pis:
        assert changes(result, pi) == 1
        assert re.search(rf"^{pi.name}: \d+% of 0\.0 GB", result.stdout, re.MULTILINE), result.stdout[-3000:]
        assert pi.run(f"sha256sum < {PLACED}") == pis[0].run(f"sha256sum < {PLACED}")
        assert pi.run(f"ls -d {FETCHED} 2>/dev/null", check=False) == ""
    assert mirror.most_at_once == 1


def test_a_strict_umask_of_root_keeps_the_model_from_nobody(pi: Pi) -> None:
    pi.run("printf 'Defaults umask=0027,umask_override\n' > /etc/sudoers.d/zz-umask")
    try:
        pi.run("rm -r /var/lib/hailo-vision/resources")
        result = playbook("site.yml", "--limit", limit(pi))
        assert result.returncode == 0, result.stdout[-3000:]
        again = playbook("site.yml", "--limit", limit(pi))
    finally:
        pi.run("rm /etc/sudoers.d/zz-umask")
    assert changes(again, pi) == 0
    assert pi.run(f"stat --format=%a:%U /var/lib/hailo-vision/resources {PLACED}").split() == [
        "755:root",
        "644:root",
    ]
    pi.run(f"runuser --user=hailo-vision -- test -r {PLACED}")


def test_the_configuration_names_the_file_whatever_the_model_is_called(pi: Pi) -> None:
    assert f"hef_path: {PLACED}" in pi.run("cat /etc/hailo/hailo-vision.yaml")
