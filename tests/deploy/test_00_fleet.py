"""The emulated fleet itself: what a crash leaves is removed, and the mirror behaves as the internet does."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.fleets import CRASH

TOP = Path(__file__).resolve().parents[2]
NAME = CRASH.name
HEF = f"{CRASH.mirror_url}/v5.1.1/blob/Qwen2-VL-2B-Instruct.hef"


def fleet(*words: str) -> list[str]:
    """The command line of a fleet of this file's own."""
    return [sys.executable, "-m", "emulator.fleet", *CRASH.options, *words]


def call(*words: str) -> str:
    """Run a fleet command to its end."""
    result = subprocess.run(fleet(*words), cwd=TOP, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def traces() -> list[str]:
    """Whatever on this machine bears the fleet's name: mounts, links, rules, processes, groups, files."""
    found = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"fleet/{NAME}/" in line]
    for command in (["ip", "-o", "link"], ["nft", "list", "tables"], ["ps", "-eo", "args"]):
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        marks = (f"br-{NAME}", f"vb-{NAME}", f"hailo_fleet_{NAME}", f"--name {NAME}", f"{NAME}-pi")
        found += [line for line in lines if any(mark in line for mark in marks)]
    for pattern in ("sys/fs/cgroup/**/hailo-fleet-*", "run/systemd/nspawn/*/*", "run/hailo-fleet/bridge-*"):
        found += [str(path) for path in Path("/").glob(pattern) if NAME in path.name]
    return found + [str(path) for path in (TOP / ".fleet").glob(f"{NAME}*")]


@pytest.fixture(scope="module")
def prepared() -> None:
    """A machine that has what the first ``up`` installs, and the image that it builds."""
    call("up", "--hosts", "1")


@pytest.fixture
def clean(prepared: None) -> Iterator[None]:
    """No fleet before the test, none after."""
    call("down")
    yield
    call("down")


@pytest.fixture(scope="module")
def running(prepared: None) -> Iterator[None]:
    """One host and the mirror."""
    call("up", "--hosts", "1")
    yield
    call("down")


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.8, 1.1, 1.4])
def test_down_removes_every_trace_of_an_up_that_was_killed(seconds: float) -> None:
    command = fleet("up", "--hosts", "2")
    process = subprocess.Popen(command, cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()
    call("down")
    assert traces() == []
    assert "There is no fleet" in call("down")


@pytest.mark.usefixtures("clean")
def test_up_mends_what_was_killed_and_keeps_what_runs() -> None:
    call("up", "--hosts", "2")
    first, second = _leaders()
    subprocess.run(["kill", "-9", second], check=True)
    call("up", "--hosts", "2")
    assert _leaders()[0] == first
    assert _leaders()[1] != second


def _leaders() -> list[str]:
    return re.findall(r"pid (\d+)", call("status"))


@pytest.mark.usefixtures("running")
def test_who_starts_late_makes_nothing() -> None:
    """What an `up` had started before it was killed may begin when `down` has looked for it already."""
    killed = subprocess.Popen(["true"])
    killed.wait()
    environment = os.environ | {"HAILO_FLEET_STARTER": str(killed.pid)}
    late = subprocess.run(fleet("supervise", "2"), cwd=TOP, env=environment, capture_output=True, check=False)
    assert late.returncode == 1
    assert [trace for trace in traces() if f"{NAME}-pi02" in trace] == []


@pytest.mark.usefixtures("running")
def test_the_mirror_resumes_a_download() -> None:
    whole = httpx.get(HEF)
    assert whole.status_code == 200
    assert len(whole.content) == int(whole.headers["content-length"])
    rest = httpx.get(HEF, headers={"Range": "bytes=1000000-"})
    assert rest.status_code == 206
    assert rest.content == whole.content[1000000:]
    beyond = httpx.get(HEF, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416


@pytest.mark.usefixtures("running")
def test_the_mirror_keeps_to_its_folder() -> None:
    for path in ("/../../../etc/passwd", "/apt/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/nothing"):
        response = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", CRASH.mirror_url + path],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert response.stdout == "404"


@pytest.mark.usefixtures("running")
def test_one_commit_of_hailo_apps_can_be_fetched_by_its_id(tmp_path: Path) -> None:
    variables = (TOP / ".fleet" / NAME / "inventory/group_vars/hailo_nodes.yml").read_text()
    commit = variables.partition("hailo_apps_version: ")[2].split()[0]
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "init", "-q", tmp_path], check=True)
    repository = f"{CRASH.mirror_url}/hailo-apps.git"
    subprocess.run([git, "-C", tmp_path, "fetch", "-q", "--depth=1", repository, commit], check=True)
    listing = subprocess.run([git, "-C", tmp_path, "ls-tree", "-r", "--name-only", "FETCH_HEAD"],
                             capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert "hailo_apps/python/core/common/core.py" in listing.splitlines()


@pytest.mark.usefixtures("running")
def test_the_device_comes_with_the_boot_after_the_driver() -> None:
    packages = "h10-hailort h10-hailort-pcie-driver python3-h10-hailort"
    call("ssh", "1", f"sudo apt-get -qq update && sudo apt-get -qq install -y {packages} >/dev/null 2>&1")
    assert "absent" in call("ssh", "1", "ls /dev/hailo0 2>/dev/null || echo absent")
    before = _boot_id()
    subprocess.run(fleet("ssh", "1", "sudo systemctl reboot"), cwd=TOP, check=False, capture_output=True)
    limit = time.monotonic() + 60
    while _boot_id() in (before, "") and time.monotonic() < limit:
        time.sleep(0.2)
    assert "HAILO10H" in call("ssh", "1", "sudo hailortcli fw-control identify")


def _boot_id() -> str:
    command = fleet("ssh", "1", "cat /proc/sys/kernel/random/boot_id")
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False).stdout
