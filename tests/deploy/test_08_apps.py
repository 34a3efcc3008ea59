"""hailo-apps on a host: the service can use its resolver, and it may come from an archive."""

import hashlib
import json
from pathlib import Path

import httpx
import pytest
from support.fleets import SCENARIO

from tests.deploy.conftest import Pi, limit, playbook

VENDOR = "/opt/hailo-vision/vendor"
# What the whole of hailo-apps would need, and the service's environment has not.
HEAVY = ("cv2", "lancedb", "loguru", "scipy", "lap", "cython_bbox", "setproctitle", "tqdm")
RESOLVE = f"""
import json, sys
from hailo_apps.installation import download_resources
from hailo_apps.python.core.common.core import resolve_hef_path
path = resolve_hef_path("/var/lib/hailo-vision/resources/Qwen2-VL-2B-Instruct.hef", "vlm_chat", "hailo10h")
print(json.dumps([str(path), download_resources.__file__, [name for name in {HEAVY} if name in sys.modules]]))
"""


def test_the_service_can_use_the_resolver_without_its_heavy_dependencies(pi: Pi) -> None:
    command = f"sudo -u hailo-vision /opt/hailo-vision/venv/bin/python - <<'END'\n{RESOLVE}\nEND"
    path, module, heavy = json.loads(pi.run(command).splitlines()[-1])
    assert path == "/var/lib/hailo-vision/resources/Qwen2-VL-2B-Instruct.hef"
    assert module.startswith(f"{VENDOR}/hailo-apps/")
    assert heavy == []


def test_an_archive_takes_the_repositorys_place_if_its_checksum_is_right(pi: Pi, tmp_path: Path) -> None:
    before = pi.run(f"readlink {VENDOR}/hailo-apps")
    commit = before.removeprefix("hailo-apps-")
    archive = tmp_path / "hailo-apps.tar.gz"
    archive.write_bytes(httpx.get(f"{SCENARIO.mirror_url}/hailo-apps/archive/{commit}.tar.gz").content)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    service = pi.property("MainPID")

    def run(sha256: str, *more: str) -> str:
        variables = json.dumps({"hailo_apps_archive": str(archive), "hailo_apps_archive_sha256": sha256})
        options = ("--limit", limit(pi), "--tags", "hailo_apps", *more)
        result = playbook("site.yml", *options, "--extra-vars", variables)
        return result.stdout if result.returncode == 0 else f"failed: {result.stdout}"

    told = " ".join(run("0" * 64).split())
    assert told.startswith("failed: ")
    assert f"has the SHA-256 {digest}, and hailo_apps_archive_sha256 is {'0' * 64}" in told
    assert pi.run(f"readlink {VENDOR}/hailo-apps") == before

    assert not run(digest).startswith("failed: ")
    assert pi.run(f"readlink {VENDOR}/hailo-apps") == f"hailo-apps-{digest[:40]}"
    assert pi.run(f"ls {VENDOR}/hailo-apps/") == pi.run(f"ls {VENDOR}/hailo-apps-{digest[:40]}")
    assert "hailo_apps" in pi.run(f"ls {VENDOR}/hailo-apps/").split()
    assert pi.run(f"find {VENDOR}/ ! -user root -o -perm /022 ! -type l") == ""
    assert pi.run(f"ls {VENDOR}").split() == ["hailo-apps", f"hailo-apps-{digest[:40]}"]
    assert pi.property("MainPID") == service

    result = playbook("site.yml", "--limit", limit(pi), "--tags", "hailo_apps")
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.run(f"readlink {VENDOR}/hailo-apps") == before


@pytest.mark.parametrize(
    ("source", "reason"),
    [("hailo_apps_archive", "HTTP Error 404"), ("hailo_apps_repository", "not found")],
)
def test_where_it_can_not_be_had_is_told_without_the_secret(pi: Pi, source: str, reason: str) -> None:
    scheme, address = SCENARIO.mirror_url.split("://")
    variables = {
        source: f"{scheme}://robot:secret-0815@{address}/none.tar.gz?token=secret-4711",
        "hailo_apps_archive_sha256": "0" * 64,
        "hailo_apps_version": "0123456789",
    }
    options = ("--limit", limit(pi), "--tags", "hailo_apps", "-vvv", "--extra-vars", json.dumps(variables))
    result = playbook("site.yml", *options)
    told = " ".join((result.stdout + result.stderr).split())
    assert result.returncode
    assert f"hailo-apps could not be had from {scheme}://{address}/none.tar.gz, for {pi.name}: " in told
    assert reason in told
    # Ansible shows what was given with --extra-vars in its own line about the command.
    assert "secret-" not in told.replace(json.dumps(variables), "")
