"""hailo-apps on a host: the service can use its resolver, and it may come from an archive."""

import hashlib
import json
from pathlib import Path

import httpx
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
