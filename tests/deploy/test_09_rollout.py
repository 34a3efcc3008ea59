"""Five Pis that are switched over in batches: who fails, vanishes or is off stops what comes after."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleets import ROLLOUT

from tests.deploy import power, releases
from tests.deploy.conftest import TOP, Pi, booted, deployed_disk, environment, fleet_command, playbook
from tests.deploy.load import Load

INVENTORY = ROLLOUT.directory / "site"
CONFIG = "/etc/hailo/hailo-vision.yaml"
BROKEN = "/etc/systemd/system/hailo-vision.service.d/broken.conf"
OTHER = "1.0.9"
# The state of the repository whose hosts have the service's folder and no other below it.
FORMER = "8c3bfbe"


def deploy(tokens: int, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run site.yml with a setting that all hosts are to get."""
    settings = json.dumps({"hailo_vision_max_tokens": tokens, **variables})
    return playbook("site.yml", "-i", str(INVENTORY), "--extra-vars", settings, fleet=ROLLOUT)


def settled(pis: list[Pi], tokens: int) -> list[str]:
    """The hosts that have the setting."""
    setting = f"max_tokens: {tokens}"
    return [pi.name for pi in pis if setting in pi.run(f"cat {CONFIG}")]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Pi]]:
    """Five hosts: one fresh, then deployed to by the first public state; four deployed to by this one."""
    fast = ("--time-scale", "0.1")
    with booted(ROLLOUT, 1, *fast) as former:
        deploy_former(former[0], tmp_path_factory.mktemp("former"))
        fleet_command(ROLLOUT, "up", "--hosts", "5", *fast, "--base", str(deployed_disk()))
        yield [
            Pi(ROLLOUT.host_name(number), str(ROLLOUT.host_address(number)), fleet=ROLLOUT)
            for number in range(1, 6)
        ]


@pytest.fixture(scope="module")
def pis(hosts: list[Pi], tmp_path_factory: pytest.TempPathFactory) -> list[Pi]:
    """All on one state, one with another release; a gateway on one of them, and one that is off."""
    wheel = releases.wheel(tmp_path_factory.mktemp("wheels"), OTHER)
    (INVENTORY / "group_vars").mkdir(parents=True)
    (INVENTORY / "host_vars").mkdir()
    attic = {"ansible_host": str(ROLLOUT.subnet[200])}
    groups = {"hailo_gateway": {"hosts": {hosts[4].name: {}, "gateway-attic": attic}}}
    (INVENTORY / "hosts.yml").write_text(json.dumps(groups))
    (INVENTORY / "group_vars" / "hailo_nodes.yml").write_text(json.dumps({"hailo_serial": [1, 2]}))
    (INVENTORY / "host_vars" / f"{hosts[3].name}.yml").write_text(f"hailo_vision_wheel: {wheel}\n")
    with Load(hosts[0].url) as load:
        load.wait(2)
        result = deploy(50, hailo_serial=5)
        assert result.returncode == 0, result.stdout[-3000:]
        load.wait(2)
    # Who waited for the NPU when the service stopped was told so, and to come again.
    assert {failure.status for failure in load.failures} <= {503}, load.failures
    return hosts


def deploy_former(pi: Pi, folder: Path) -> None:
    """Deploy the first public state of this repository to one of the hosts."""
    archive = subprocess.run(["git", "archive", FORMER], cwd=TOP, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", f"--directory={folder}"], input=archive, check=True)
    command = ["ansible-playbook", "-i", str(ROLLOUT.inventory), "playbooks/site.yml"]
    command += ["--limit", f"localhost,{pi.name}"]
    result = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:]


def test_a_host_of_the_former_layout_was_brought_over_and_can_go_back(pis: list[Pi]) -> None:
    pi = pis[0]
    assert pi.run("stat --format=%U /var/lib/hailo-vision /var/lib/hailo-vision/state").split() == [
        "root",
        "hailo-vision",
    ]
    new = pi.run("readlink /opt/hailo-vision/current")
    limited = ("--limit", f"localhost,{pi.name}")
    result = playbook("rollback.yml", "-i", str(INVENTORY), *limited, fleet=ROLLOUT)
    assert result.returncode == 0, result.stdout[-3000:]
    # One that is off is asked once, though it is outside the limit.
    assert result.stdout.count("-> gateway-attic]") == 1
    assert pi.run("readlink /opt/hailo-vision/current") != new
    assert "StateDirectory=hailo-vision\n" in pi.run("cat /etc/systemd/system/hailo-vision.service")
    pi.wait_ready(5)
    assert pi.ask("coffee.jpg")
    result = deploy(50)
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.run("readlink /opt/hailo-vision/current") == new
    assert pi.run("stat --format=%U /var/lib/hailo-vision") == "root"


def test_each_host_gets_the_release_that_its_own_settings_name(pis: list[Pi]) -> None:
    others = [pi.name for pi in pis if pi.health()["versions"]["hailo_vision"] == OTHER]
    assert others == [pis[3].name]


def test_while_the_canary_is_off_nobody_is_switched(pis: list[Pi]) -> None:
    power.cut(pis[0])
    result = deploy(51)
    assert result.returncode != 0
    assert f"No host was switched over, as {pis[0].name} is to go first" in " ".join(result.stdout.split())
    assert settled(pis[1:], 50) == [pi.name for pi in pis[1:]]


def test_a_host_that_fails_stops_the_run_after_its_batch(pis: list[Pi]) -> None:
    """Also a batch of which no host is left. Of pi02, pi03, pi04 and pi05, the last also has the gateway."""
    failing = pis[3]
    broken = "[Service]\\nExecStart=\\nExecStart=/bin/false\\n"
    failing.run(f"mkdir -p {Path(BROKEN).parent}")
    failing.run(f"printf '{broken}' > {BROKEN}; systemctl daemon-reload")
    result = deploy(52, hailo_canary=pis[1].name, hailo_serial=1, hailo_vision_ready_timeout=20)
    assert result.returncode != 0
    assert settled(pis[1:], 52) == [pis[1].name, pis[2].name]
    told = " ".join(result.stdout.split())
    assert f"Now {failing.name}, afterwards {pis[4].name}." in told
    assert f"The rollout stopped with the batch of {failing.name}, which failed or vanished." in told
    assert f"{pis[4].name} was not switched over any more." in told
    assert "hailo_gateway : Look at the host" not in result.stdout
    assert admin(pis[4], failing) == 0
    failing.run(f"rm {BROKEN}; systemctl daemon-reload")


def test_a_host_that_dies_in_the_switch_stops_the_run_and_is_put_back_by_the_gateway(pis: list[Pi]) -> None:
    dying, gateway = pis[3], pis[4]
    command = ["ansible-playbook", "-i", str(ROLLOUT.inventory), "-i", str(INVENTORY), "playbooks/site.yml"]
    settings = json.dumps({"hailo_vision_max_tokens": 52, "hailo_canary": pis[1].name})
    with subprocess.Popen(
        [*command, "--extra-vars", settings], cwd=TOP, env=environment(), text=True, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("TASK [hailo_vision.deploy.hailo_vision : Write the configuration"):
                power.cut(dying)
    assert process.returncode != 0
    assert settled([gateway], 52) == []
    assert admin(gateway, dying) == DRAINED
    assert gateway.property("ActiveState", f"hailo-return-{dying.name}.timer") == "active"
    gateway.run(f"systemctl start --wait hailo-return-{dying.name}.service")
    assert admin(gateway, dying) == 0


def test_with_all_of_them_up_again_the_run_comes_to_its_end(pis: list[Pi]) -> None:
    power.restore(ROLLOUT, 5)
    result = deploy(53, hailo_pause=1)
    assert result.returncode == 0, result.stdout[-3000:]
    assert settled(pis, 53) == [pi.name for pi in pis]
    assert result.stdout.count("TASK [Pause before the next batch]") == 3
    assert result.stdout.count("Pausing for 1 seconds") == 2
    assert "WARNING: gateway-attic: the gateway could not be reached" in result.stdout
    timers = pis[4].run("systemctl list-units --all --no-legend 'hailo-return-*'")
    assert timers == ""


DRAINED = 0x08
LOOK = """
import socket
admin = socket.socket(socket.AF_UNIX); admin.connect("/run/hailo-vision-gateway/admin.sock")
admin.sendall(b"show servers state hailo_nodes\\n")
rows = [line.split() for line in b"".join(iter(lambda: admin.recv(65536), b"")).decode().splitlines()]
print(next(row[6] for row in rows if row[3:4] == ["{name}"]))
"""


def admin(gateway: Pi, pi: Pi) -> int:
    """What was decided about a Pi at the gateway, apart from how its checks go."""
    return int(gateway.run(f"python3 - <<'END'{LOOK.format(name=pi.name)}END"))
