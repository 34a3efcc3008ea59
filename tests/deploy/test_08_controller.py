"""What the controller does for hosts of another kind, and for a user whose sudo asks for a password."""

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.fleets import SCENARIO
from support.modules import TOP, load

from tests.deploy.conftest import Pi, changes, limit, playbook

LOCK = TOP / "roles/hailo_vision/files/requirements.lock"
PASSWORD = "geheim-on-this-host-alone"
NOPASSWD = "/etc/sudoers.d/zz-password"


def test_wheels_for_a_pi_are_collected_on_any_computer_with_the_hashes_of_the_lock(tmp_path: Path) -> None:
    wheelhouse = load("plugins/action/hailo_wheelhouse.py", "wheelhouse_for_a_pi")
    kind: dict[str, Any] = {"python": "3.13", "machine": "aarch64", "glibc": "2.41"}
    result = wheelhouse.collect({"source": str(TOP), "lock": str(LOCK), "dest": str(tmp_path), **kind})
    with tarfile.open(result["archive"]) as archive:
        names = archive.getnames()
        lock = archive.extractfile("requirements.lock")
        assert lock is not None
        pinned = lock.read().decode()
    wheels = [name for name in names if name.endswith(".whl")]
    assert set(names) - set(wheels) == {"requirements.lock"}
    compiled = [name for name in wheels if not name.endswith("-none-any.whl")]
    assert all(re.search(r"-(cp313-cp313|cp3\d+-abi3)-.*aarch64\.whl$", name) for name in compiled), compiled
    assert {name.split("-")[0] for name in compiled} >= {"numpy", "pillow", "msgspec", "uvloop", "httptools"}
    assert len(wheels) == len(re.findall(r"^\S+==", pinned, re.MULTILINE))
    ours, theirs = (
        set(re.findall(r"--hash=(\S+)", pinned)),
        set(re.findall(r"--hash=(\S+)", LOCK.read_text())),
    )
    assert len(ours - theirs) == 1, "only the service's own wheel is not in the lock file"


def sudo(pi: Pi, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as root on a host whose sudo asks for the password."""
    ssh = ["ssh", "-i", str(SCENARIO.private_key), "-o", f"UserKnownHostsFile={SCENARIO.known_hosts}"]
    ssh += ["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", f"pi@{pi.address}"]
    return subprocess.run(
        [*ssh, "sudo", "-S", "-p", "''", "sh", "-c", f"'{command}'"],
        input=f"{PASSWORD}\n", capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def guarded(pi: Pi) -> Iterator[Pi]:
    """A Pi whose user needs a password for sudo, as on a fresh Raspberry Pi OS."""
    pi.run(f"echo pi:{PASSWORD} | chpasswd; echo 'pi ALL=(ALL) PASSWD: ALL' > {NOPASSWD}")
    yield pi
    restored = sudo(pi, f"rm {NOPASSWD}; passwd --lock pi")
    assert restored.returncode == 0, restored.stderr


def test_a_user_whose_sudo_asks_for_a_password_can_deploy(guarded: Pi, tmp_path: Path) -> None:
    without = playbook("site.yml", "--limit", limit(guarded))
    assert without.returncode != 0
    assert "password" in without.stdout
    secret = tmp_path / "become.json"
    secret.write_text(json.dumps({"ansible_become_password": PASSWORD}))
    for name in ("site.yml", "verify.yml"):
        result = playbook(name, "--limit", limit(guarded), "--extra-vars", f"@{secret}")
        assert result.returncode == 0, result.stdout[-3000:]
        assert changes(result, guarded) == 0
        assert PASSWORD not in result.stdout + result.stderr
