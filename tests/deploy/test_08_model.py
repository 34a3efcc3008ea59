"""The model on booted hosts: fetched by its unit, at boot when it is missing and for the deployment."""

import re
import time
from collections.abc import Callable

import httpx
from support.fleets import SCENARIO
from support.mirror import serve

from tests.deploy.conftest import Pi, changes, limit, playbook

FILE = "Qwen2-VL-2B-Instruct.hef"
FOLDER = "/var/lib/hailo-vision/resources"
PLACED = f"{FOLDER}/{FILE}"
ORDER = "/etc/hailo/credentials/hailo-model.json"
# Slow enough for a transfer to outlast a second, and for two at a time to meet.
PAUSE = 0.05


def test_a_service_whose_model_is_gone_has_it_fetched_and_answers(pi: Pi) -> None:
    whole = pi.run(f"sha256sum < {PLACED}")
    pi.run(f"rm {PLACED}; systemctl restart hailo-vision.service")
    pi.wait_ready()
    assert pi.ask("coffee.jpg")
    assert pi.run(f"sha256sum < {PLACED}") == whole
    assert pi.run(f"stat --format '%U %a' {PLACED} {FOLDER}").splitlines() == ["root 644", "root 755"]
    assert pi.property("Result", "hailo-model.service") == "success"


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "nothing happened"
        time.sleep(0.25)


def test_a_host_that_boots_before_its_mirror_says_so_and_goes_on_by_itself(pi: Pi) -> None:
    """And what is secret in the address is told to nobody."""
    with serve(str(SCENARIO.gateway)) as mirror:
        address = mirror.url
        content = httpx.get(f"{SCENARIO.mirror_url}/v5.1.1/blob/{FILE}").content
    order = pi.run(f"cat {ORDER}")
    secret = address.replace("//", "//bob:s3cret@") + "?token=s3cret"
    pi.run(f'sed -i \'s|"url": .*|"url": "{secret}"|\' {ORDER}; rm {PLACED}; systemctl reboot', check=False)
    wait_for(lambda: f"{address} can't be had" in str(pi.health().get("problem")))
    assert (pi.health()["state"], pi.health()["problem"]["code"]) == ("fetching", "hef_fetch_failed")
    with serve(str(SCENARIO.gateway), int(address.split(":")[2].split("/")[0])) as mirror:
        mirror.content, mirror.pause = content, 10 * PAUSE
        wait_for(lambda: pi.health().get("fetch"))
        seen = pi.run(
            "ps -eo args; systemctl status hailo-model hailo-vision; curl -s localhost:11435/health"
        )
        assert "curl --disable --config" in seen
        mirror.pause = 0
        pi.wait_ready()
    told = pi.run(f"journalctl -b; cat {FOLDER}/.*.json")
    assert "s3cret" not in seen + told
    pi.run(f"cat > {ORDER} <<'EOF'\n{order}\nEOF")
    assert pi.ask("coffee.jpg")


def test_the_role_shows_its_progress_and_keeps_to_its_transfers(pis: list[Pi]) -> None:
    for pi in pis:
        pi.run(f"truncate --size=-1 {PLACED}")
    with serve(str(SCENARIO.gateway)) as mirror:
        mirror.content = httpx.get(f"{SCENARIO.mirror_url}/v5.1.1/blob/{FILE}").content
        mirror.pause = PAUSE
        slow = f"hailo_model_mirror={mirror.url.rpartition('/v5')[0]}"
        settings = f"{slow} hailo_model_progress=1 hailo_model_transfers=1"
        result = playbook("site.yml", "--tags", "hailo_model", "--extra-vars", settings)
    assert result.returncode == 0, result.stdout[-3000:]
    for pi in pis:
        assert re.search(rf"^{pi.name}: \d+% of 0\.0 GB", result.stdout, re.MULTILINE), result.stdout[-3000:]
        assert pi.run(f"sha256sum < {PLACED}") == pis[0].run(f"sha256sum < {PLACED}")
        assert pi.run(f"ls -A {FOLDER}").split() == [f".{FILE}.json", FILE]
    assert mirror.most_at_once == 1
    for expected in (1, 0):
        again = playbook("site.yml", "--tags", "hailo_model")
        assert [changes(again, pi) for pi in pis] == [expected, expected], again.stdout[-3000:]


def test_a_strict_umask_of_root_keeps_the_model_from_nobody(pi: Pi) -> None:
    pi.run("printf 'Defaults umask=0027,umask_override\n' > /etc/sudoers.d/zz-umask")
    try:
        pi.run(f"rm -r {FOLDER}")
        result = playbook("site.yml", "--limit", limit(pi))
        assert result.returncode == 0, result.stdout[-3000:]
        again = playbook("site.yml", "--limit", limit(pi))
    finally:
        pi.run("rm /etc/sudoers.d/zz-umask")
    assert changes(again, pi) == 0
    assert pi.run(f"stat --format='%a %U' {FOLDER} {PLACED}").splitlines() == ["755 root", "644 root"]
    pi.run(f"runuser --user=hailo-vision -- test -r {PLACED}")


def test_the_configuration_names_the_file_whatever_the_model_is_called(pi: Pi) -> None:
    assert f"hef_path: {PLACED}" in pi.run("cat /etc/hailo/hailo-vision.yaml")
