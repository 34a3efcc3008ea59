"""Upgrades under load, and the way back: by itself where a host does not get ready, by hand where it does."""

import itertools
import json
import subprocess
from pathlib import Path

import pytest

from hailo_vision import __version__
from tests.deploy import releases
from tests.deploy.conftest import Pi, limit, playbook
from tests.deploy.load import Load

NEXT = "1.0.1"
RELEASES = "ls /opt/hailo-vision/releases"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where wheels are built."""
    return tmp_path_factory.mktemp("wheels")


def deploy(*arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run site.yml with some variables."""
    return playbook("site.yml", *arguments, "--extra-vars", json.dumps(variables))


def state(pi: Pi) -> tuple[str, str]:
    """What a Pi runs: release and configuration."""
    return pi.run("readlink /opt/hailo-vision/current"), pi.run("sha256sum /etc/hailo/hailo-vision.yaml")


@pytest.fixture(autouse=True)
def ready(pis: list[Pi]) -> None:
    """All hosts serve when a test begins."""
    for pi in pis:
        pi.wait_ready()


def test_a_release_that_does_not_get_ready_is_taken_back_and_is_the_last(pis: list[Pi], folder: Path) -> None:
    wheel = releases.wheel(folder, "1.0.2", broken=True)
    canary, other = pis
    before = [state(pi) for pi in pis]
    process = other.property("MainPID")
    with Load(other.url) as load:
        result = deploy(hailo_vision_wheel=str(wheel), hailo_vision_ready_timeout=15)
    assert result.returncode != 0
    assert f"{canary.name} is not ready with release 1.0.2-" in result.stdout
    assert releases.REASON in result.stdout
    former = before[0][0].removeprefix("releases/")
    assert f"The host went back to release {former} and its configuration, and serves" in result.stdout
    assert [state(pi) for pi in pis] == before
    assert other.property("MainPID") == process
    assert load.failures == []
    assert load.outcomes
    assert canary.ask("coffee.jpg")


@pytest.fixture(scope="module")
def upgraded(pis: list[Pi], folder: Path) -> Load:
    """The first host with another release, to which it was upgraded under this load."""
    pi = pis[0]
    wheel = releases.wheel(folder, NEXT)
    with Load(pi.url) as load:
        load.wait(4)
        result = deploy("--limit", limit(pi), hailo_vision_wheel=str(wheel))
        assert result.returncode == 0, result.stdout[-3000:]
        load.wait(4)
    return load


def test_an_upgrade_under_load_refuses_no_connection(upgraded: Load, pi: Pi) -> None:
    assert pi.health()["versions"]["hailo_vision"] == NEXT
    # Those that waited for the NPU when the service stopped were told so, and to come again.
    assert {failure.status for failure in upgraded.failures} <= {503}, upgraded.failures
    answers = sorted(outcome.ended for outcome in upgraded.outcomes if not outcome.failure)
    # Only the restart is a pause, not the installation before it.
    assert max(after - before for before, after in itertools.pairwise(answers)) < 20


def test_an_operator_goes_back_and_forth(upgraded: Load, pi: Pi) -> None:
    new = state(pi)
    for expected in (__version__, NEXT):
        result = playbook("rollback.yml", "--limit", limit(pi))
        assert result.returncode == 0, result.stdout[-3000:]
        pi.wait_ready(5)
        assert pi.health()["versions"]["hailo_vision"] == expected
        assert pi.ask("coffee.jpg")
    assert state(pi) == new
    # The one that failed was removed by the switch after it.
    assert {name.partition("-")[0] for name in pi.run(RELEASES).split()} == {__version__, NEXT}


def test_a_setting_that_fails_only_at_the_start_is_taken_back_with_the_reason(pi: Pi) -> None:
    before = state(pi)
    result = deploy("--limit", limit(pi), hailo_vision_hef_path="/srv/nothing.hef")
    assert result.returncode != 0
    assert "The service says: There is no model file: /srv/nothing.hef" in result.stdout
    assert "and serves again" in result.stdout
    assert state(pi) == before
    assert pi.ask("coffee.jpg")
