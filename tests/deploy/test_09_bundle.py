"""A site without internet: everything comes out of one folder on the controller."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleets import SCENARIO

from tests.deploy.conftest import Pi, limit, playbook

KIND = {"python": "3.13", "machine": "x86_64", "glibc": "2.41"}
MODEL = "models/5.1.1/Qwen2-VL-2B-Instruct.hef"
NOWHERE = "http://127.0.0.1:9"
SOURCES = "/etc/apt/sources.list.d"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """One that the fleet's mirror was asked for."""
    mirror = f"@{SCENARIO.inventory}/group_vars/hailo_nodes.yml"
    settings = {"hailo_bundle_dest": str(tmp_path), "hailo_bundle_hosts": [KIND]}
    result = playbook("bundle.yml", "--extra-vars", mirror, "--extra-vars", json.dumps(settings))
    assert result.returncode == 0, result.stdout[-3000:]
    return tmp_path


@pytest.fixture
def apart(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pi]:
    """A Pi, deployed to in part, that knows no computer but the controller, which knows the Pis alone."""
    # Not http_proxy: the test's own questions to the Pi go over http.
    for name in ("https_proxy", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, NOWHERE)
    pi.run(f"ip route delete default; mv {SOURCES} /root/sources")
    pi.run("rm -r /opt/hailo-vision/vendor /opt/hailo-vision/releases /var/lib/hailo-vision/resources")
    yield pi
    pi.run(f"ip route add default via {SCENARIO.gateway}; rm -rf {SOURCES}; mv /root/sources {SOURCES}")
    assert playbook("site.yml", "--limit", limit(pi), "--tags", "hailo_model").returncode == 0


def test_a_host_is_deployed_to_from_a_site_bundle_and_never_from_a_damaged_one(
    bundle: Path, apart: Pi
) -> None:
    elsewhere = {"hailo_model_mirror": NOWHERE, "hailo_apps_repository": f"{NOWHERE}/hailo-apps.git"}
    settings = json.dumps({**elsewhere, "hailo_site_bundle": str(bundle)})
    arguments = ("--limit", limit(apart), "--extra-vars", settings)
    model = (bundle / MODEL).read_bytes()
    (bundle / MODEL).write_bytes(model[:-1])
    refused = playbook("site.yml", *arguments)
    assert refused.returncode != 0
    assert f"{MODEL} of the site bundle {bundle} is damaged or cut." in " ".join(refused.stdout.split())
    assert f"\n{apart.name} " not in refused.stdout.partition("PLAY RECAP")[2]

    (bundle / MODEL).write_bytes(model)
    result = playbook("site.yml", *arguments)
    assert result.returncode == 0, result.stdout[-3000:]
    apart.wait_ready()
    assert apart.ask("coffee.jpg")
    assert apart.run("sha256sum < /var/lib/hailo-vision/resources/Qwen2-VL-2B-Instruct.hef").split()[0] in (
        bundle / "SHA256SUMS"
    ).read_text()
