"""Bad input stops a run with a sentence that names host, cause and cure, and leaves alone what serves."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fleets import SCENARIO
from support.mirror import serve
from support.variables import options

from tests.deploy import releases
from tests.deploy.conftest import TOP, Pi, changes, environment, limit, playbook

RESOURCES = "/var/lib/hailo-vision/resources"
RELEASES = "/opt/hailo-vision/releases"
SERVING = f"""
readlink /opt/hailo-vision/current
sha256sum /etc/hailo/hailo-vision.yaml {RESOURCES}/*.hef
systemctl show --property=MainPID hailo-vision.service
"""


def refusal(pi: Pi, **variables: object) -> str:
    """What a run with these variables says when it fails, which must not disturb what serves."""
    before = pi.run(SERVING)
    result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", json.dumps(variables))
    assert result.returncode != 0
    assert pi.run(SERVING) == before
    assert pi.health()["state"] == "ready"
    assert re.search(rf"fatal: \[{pi.name}|{pi.name}: ", result.stdout)
    return result.stdout


@pytest.mark.parametrize(
    ("variables", "sentences"),
    [
        (
            {"hailo_driver_packages": "hailo-h10-all", "hailo_driver_boot_cmdline": "cgroup_enable=memory"},
            [
                'hailo_driver_packages is the text "hailo-h10-all", and a list is needed',
                'hailo_driver_boot_cmdline is the text "cgroup_enable=memory", and a list is needed',
            ],
        ),
        (
            {"hailo_vision_prot": 11435, "hailo_vision_api_keys": "a-key-of-mine"},
            [
                "hailo_vision_prot is no setting of this role. Is hailo_vision_port meant?",
                "hailo_vision_api_keys is a text, and a list is needed",
            ],
        ),
        (
            {
                "hailo_vision_memory_max": "3", "hailo_vision_keep_alive": "soon",
                "hailo_vision_config": {"server": 3},
            },
            ['memory_max is "3"', 'hailo_vision_keep_alive is "soon"', "and server is none"],
        ),
        (
            {"hailo_model_resources_dir": "/home/pi/models"},
            ["/home/pi/models, which the service can't see"],
        ),
        ({"hailo_vision_hef_path": "/root/model.hef"}, ["/root/model.hef, which the service can't see"]),
    ],
)
def test_wrong_variables(variables: dict[str, object], sentences: list[str], pi: Pi) -> None:
    said = refusal(pi, **variables)
    assert [sentence for sentence in sentences if json.dumps(sentence)[1:-1] not in said] == []
    assert "a-key-of-mine" not in said


def test_texts_in_place_of_numbers_and_booleans_change_nothing(pi: Pi) -> None:
    """As `-e NAME=VALUE` gives them: each default of the roles by its text."""
    texts = [
        f"{name}={str(option['default']).lower()}"
        for name, option in options().items()
        if option["type"] in ("bool", "int", "float", "raw") and "default" in option
    ]
    assert len(texts) > 15
    assert playbook("site.yml", "--limit", limit(pi)).returncode == 0
    arguments = [word for text in texts for word in ("--extra-vars", text)]
    result = playbook("site.yml", "--limit", limit(pi), *arguments)
    assert result.returncode == 0, result.stdout[-3000:]
    assert changes(result, pi) == 0


def test_an_inventory_without_the_group(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("hailo_pis: {hosts: {pi-kitchen: {}}}\n")
    command = ["ansible-playbook", "-i", str(tmp_path), "playbooks/site.yml"]
    result = subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "The inventory has no hosts in the group hailo_nodes. Copy inventory/example/one" in result.stdout


@pytest.mark.parametrize("setting", [{"hailo_serial": []}, {"hailo_serial": "abc"}, {"hailo_pause": -1}])
def test_a_rollout_of_no_batches(tmp_path: Path, setting: dict[str, object]) -> None:
    """Also where --limit leaves out the controller."""
    (tmp_path / "hosts.yml").write_text("hailo_nodes: {hosts: {pi-kitchen: {}}}\n")
    command = ["ansible-playbook", "-i", str(tmp_path), "playbooks/site.yml", "--limit", "pi-kitchen"]
    command += ["--extra-vars", json.dumps(setting)]
    result = subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "hailo_serial must be numbers of hosts or shares of them" in result.stdout


def test_a_mirror_that_answers_with_a_page_half_a_file_or_another_file(pi: Pi) -> None:
    with serve(str(SCENARIO.gateway)) as mirror:
        whole = mirror.content
        mirror.content = b"<!DOCTYPE html><title>Please log in</title>" + bytes(2000)
        said = refusal(pi, hailo_model_url=mirror.url, hailo_model_retries=0)
        assert "is no HEF: it starts with" in said
        assert "Is the mirror's address right?" in said
        mirror.content, mirror.cut = whole, [1_000_000]
        said = refusal(pi, hailo_model_url=mirror.url, hailo_model_retries=0)
        assert f"The transfer ended at 1000000 of {len(whole)} bytes." in said
        assert "It goes on from there." in said
        said = refusal(pi, hailo_model_url=mirror.url, hailo_model_sha256="0" * 64)
        assert f"and not {'0' * 64}. Correct the address or the checksum." in said
        assert mirror.asked[-1] == "bytes=1000000-"


@contextmanager
def small_disk(pi: Pi, place: str, megabytes: int) -> Iterator[None]:
    """A folder of a Pi on a disk that has little room besides what the folder holds."""
    pi.run(f"""
        mkdir -p /mnt/small {place}
        used=$(du --summarize --block-size=1M {place} | cut --fields=1)
        mount -t tmpfs -o size=$((used + {megabytes}))M,mode=0755 small /mnt/small
        cp --archive {place}/. /mnt/small
        mount --bind /mnt/small {place}
    """)
    try:
        yield
    finally:
        pi.run(f"umount --lazy {place} /mnt/small; rmdir /mnt/small")


def test_a_disk_without_room_for_the_release(pi: Pi, tmp_path: Path) -> None:
    wheel = releases.wheel(tmp_path, "1.0.4")
    with small_disk(pi, RELEASES, 100):
        said = refusal(pi, hailo_vision_wheel=str(wheel))
    assert f"{pi.name} has " in said
    assert f"MB free for {RELEASES}, and a release" in said
    assert "Make room on that disk." in said


def test_a_disk_without_room_for_the_model(pi: Pi) -> None:
    with small_disk(pi, "/srv/small", 1):
        said = refusal(pi, hailo_model_resources_dir="/srv/small")
    pi.run("rmdir /srv/small")
    assert "/srv/small has 0.0 GB free and the model needs" in said
    assert "Make room on that disk." in said


def test_the_packages_of_the_other_chip(pi: Pi) -> None:
    """As left by somebody who followed the instructions for a Hailo-8; apt itself would not let both in."""
    pi.run("""
        mkdir -p /root/hailo8 && cd /root/hailo8
        apt-get update -qq && apt-get download -qq hailort
        dpkg --install --force-conflicts hailort_*.deb
    """)
    try:
        said = refusal(pi)
    finally:
        pi.run("dpkg --purge hailort; rm -r /root/hailo8")
    assert f"{pi.name} can't be deployed to: The packages of the Hailo-8 are installed (hailort)" in said
    assert "sudo apt purge hailort" in said
