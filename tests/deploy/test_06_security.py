"""What the unit forbids, tried from inside it; who can read the keys; what happens to processes that hang."""

import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.certificates import Certificate, issue

from tests.deploy import probe
from tests.deploy.conftest import Pi, limit, playbook

KEY = "a-key-that-only-this-test-has"
NPU = "pgrep --full 'hailo_vision[.]npu'"
DROP_IN = "/run/systemd/system/hailo-vision.service.d/probe.conf"
STATE = "/var/lib/hailo-vision/state"
RESOURCES = "/var/lib/hailo-vision/resources"
PART = ".Qwen2-VL-2B-Instruct.hef.part"
AS_SERVICE = "runuser --user=hailo-vision -- sh -c"
# What the service's user does to have root write for it, again and again.
ATTACK = f"""cd {STATE}; ln -s /etc/shadow x.log; mkfifo y.log
while :; do
    mv ../resources ../loot; mkdir ../resources; ln -s /etc/shadow ../resources/{PART}
done 2>/dev/null"""
SHADOW = "sha256sum /etc/shadow; stat --format=%a:%U:%G /etc/shadow"
# The tests restart it more often than StartLimitBurst allows.
RESTART = "systemctl reset-failed hailo-vision.service; systemctl restart hailo-vision.service"
SCRIPT = "/usr/local/lib/probe.py"
# The numbers of /dev/net/tun, which the emulated Pis' own root may open.
_DEVICES = """rm -f /dev/probe0 /dev/probe1
mknod -m 600 /dev/probe0 c 10 200; mknod -m 666 /dev/probe1 c 10 200"""
_CLOSED = "systemd-run -q --wait -p DevicePolicy=closed dd if=/dev/probe1 of=/dev/null count=0"


@pytest.fixture(scope="module")
def probed(pis: list[Pi]) -> dict[str, str | None]:
    """What became of each attempt, made by a script that the service's own unit ran."""
    pi = pis[0]
    pi.wait_ready()
    script = Path(probe.__file__).read_text()
    pi.run(f"cat > {SCRIPT} <<'END'\n{script}\nEND\n{_DEVICES}")
    unit = f"[Service]\\nExecStart=\\nExecStart=/usr/bin/python3 {SCRIPT}\\nType=exec\\nRestart=no\\n"
    pi.run(f"mkdir -p $(dirname {DROP_IN}); printf '{unit}' > {DROP_IN}; systemctl daemon-reload")
    try:
        pi.run(f"systemctl stop hailo-vision.service; {RESTART}")
        result = f"{STATE}/probe.json"
        found = pi.run(f"for n in $(seq 50); do [ -s {result} ] && break; sleep 0.1; done; cat {result}")
        return dict(json.loads(found))
    finally:
        pi.run(f"rm -rf {DROP_IN} {SCRIPT} /dev/probe[01] {STATE}/probe.json; systemctl daemon-reload")
        pi.run(RESTART)
        pi.wait_ready()


@pytest.mark.parametrize("attempt", probe.ALLOWED)
def test_what_the_service_needs_it_may_do(attempt: str, probed: dict[str, str | None]) -> None:
    assert probed[attempt] is None


@pytest.mark.parametrize("attempt", probe.FORBIDDEN)
def test_what_an_intruder_would_like_fails(attempt: str, probed: dict[str, str | None]) -> None:
    error = probed[attempt]
    assert error is not None
    assert not error.startswith("FileNotFoundError"), "there is nothing to be refused"


def test_other_devices_are_closed_where_the_kernel_helps(pi: Pi, probed: dict[str, str | None]) -> None:
    """On a computer with control groups of version 1, as these hosts may be on, systemd has no such help."""
    pi.run(_DEVICES)
    enforced = "refused" in pi.run(f"{_CLOSED} || echo refused")
    pi.run("rm /dev/probe0 /dev/probe1")
    assert (probed[probe.EVERYBODYS_DEVICE] is not None) == enforced
    assert pi.property("DevicePolicy") == "closed"
    assert set(pi.property("DeviceAllow").splitlines()) <= {
        "char-hailo* rw", "/dev/hailo0 rw", "/dev/h1x-0 rw", "char-rtc r",
    }  # fmt: skip


@pytest.fixture
def attacked(pi: Pi) -> Iterator[Pi]:
    """A Pi while the service's user does what it can."""
    pi.run(f"cat > /usr/local/bin/attack <<'END'\n{ATTACK}\nEND")
    pi.run("systemd-run --quiet --unit=attack --uid=hailo-vision sh /usr/local/bin/attack")
    yield pi
    pi.run(f"systemctl stop attack.service; rm /usr/local/bin/attack {STATE}/[xy].log")


def test_nothing_of_root_follows_what_the_services_user_plants(attacked: Pi, tmp_path: Path) -> None:
    shadow = attacked.run(SHADOW)
    attacked.run(f"rm {RESOURCES}/*.hef")
    result = playbook("site.yml", "--limit", limit(attacked))
    assert result.returncode == 0, result.stdout[-3000:]
    assert attacked.run(SHADOW) == shadow
    assert attacked.run(f"stat --format=%a:%U {RESOURCES} {RESOURCES}/*.hef").split() == [
        "755:root",
        "644:root",
    ]
    result = playbook(
        "logs.yml", "--limit", attacked.name, "--extra-vars", f"hailo_vision_logs_dest={tmp_path}"
    )
    assert result.returncode == 0, result.stdout[-3000:]
    (bundle,) = tmp_path.iterdir()
    with tarfile.open(bundle) as archive:
        assert not [name for name in archive.getnames() if name.endswith(".log")]
    assert attacked.property("ActiveState", "attack.service") == "active"


def test_a_host_of_the_old_layout_is_taken_over_without_what_was_planted_in_it(pi: Pi) -> None:
    """Releases before had the whole folder for the service's own."""
    shadow = pi.run(SHADOW)
    pi.run("chown -R hailo-vision:hailo-vision /var/lib/hailo-vision; chmod 0750 /var/lib/hailo-vision")
    plant = (
        f"cd /var/lib/hailo-vision; mv resources loot; mkdir resources; ln -s /etc/shadow resources/{PART}"
    )
    pi.run(f"{AS_SERVICE} '{plant}'")
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.run(SHADOW) == shadow
    assert pi.run(f"find {RESOURCES} ! -user root -o -type l") == ""
    assert pi.run("stat --format=%a:%U /var/lib/hailo-vision") == "755:root"
    pi.run("rm -r /var/lib/hailo-vision/loot")
    pi.wait_ready()


def test_both_processes_run_without_privileges(pi: Pi) -> None:
    for pid in (pi.property("MainPID"), pi.run(NPU)):
        status = dict(
            line.split(":\t", 1) for line in pi.run(f"cat /proc/{pid}/status").splitlines() if ":\t" in line
        )
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert {status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
            "0" * 16
        }
        assert "0" not in status["Uid"].split()
        assert pi.run(f"readlink /proc/{pid}/ns/user") != pi.run("readlink /proc/1/ns/user")
        assert pi.run(f"readlink /proc/{pid}/ns/mnt") != pi.run("readlink /proc/1/ns/mnt")


def test_the_exposure_is_low(pi: Pi) -> None:
    verdict = pi.run("systemd-analyze security --no-pager hailo-vision.service | tail -n 1")
    assert float(verdict.partition(": ")[2].split()[0]) <= 1.5


def test_systemd_finds_nothing_wrong_with_the_units(pi: Pi) -> None:
    units = "hailo-vision.service hailo-vision.socket hailo-vision.slice hailo.slice"
    assert pi.run(f"cd /etc/systemd/system && systemd-analyze verify --man=no {units} 2>&1") == ""


def wait(pi: Pi, command: str, unlike: str, seconds: float) -> str:
    """What a command prints once it is something else than before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = pi.run(command, check=False)
        if found not in (unlike, "", "0"):
            return found
        time.sleep(0.3)
    pytest.fail(f"{command}: still {unlike} after {seconds} s")


def test_the_watchdog_restarts_a_front_process_that_hangs(pi: Pi) -> None:
    """With a shorter limit than the unit's minute, so that the test is over sooner."""
    directory = "/run/systemd/system/hailo-vision.service.d"
    pi.run(f"mkdir -p {directory}; printf '[Service]\\nWatchdogSec=4\\n' > {directory}/watchdog.conf")
    try:
        pi.run(f"systemctl daemon-reload; {RESTART}")
        pi.wait_ready()
        before = pi.property("MainPID")
        pi.run(f"kill -STOP {before}")
        wait(pi, "systemctl show --value --property=MainPID hailo-vision.service", before, 40)
    finally:
        pi.run(f"rm {directory}/watchdog.conf; systemctl daemon-reload; {RESTART}")
    assert "Watchdog timeout" in pi.run("journalctl -b -u hailo-vision.service -o cat --lines=200")
    pi.wait_ready()
    assert pi.ask("coffee.jpg")


def test_the_front_process_replaces_an_npu_process_that_hangs(pi: Pi) -> None:
    front, npu = pi.property("MainPID"), pi.run(NPU)
    pi.run(f"kill -STOP {npu}")
    wait(pi, NPU, npu, 60)  # npu.stall_timeout is 30 s
    pi.wait_ready()
    assert pi.property("MainPID") == front
    assert "npu_silent" in pi.run("journalctl -b -u hailo-vision.service -o cat --lines=50")
    assert pi.ask("coffee.jpg")


@pytest.fixture
def certificate(pi: Pi, tmp_path: Path) -> Certificate:
    """One for a Pi's address."""
    return issue(tmp_path, f"IP:{pi.address}")


def give(pi: Pi, key: str, certificate: Certificate) -> None:
    """Deploy a key and a certificate, without a word of either in what the run says."""
    secret = certificate.key.read_text()
    variables = {"hailo_vision_api_keys": [key], "hailo_vision_tls_key": secret}
    variables["hailo_vision_tls_certificate"] = certificate.chain.read_text()
    result = playbook("site.yml", "--diff", "--limit", limit(pi), "--extra-vars", json.dumps(variables))
    assert result.returncode == 0, result.stdout[-3000:]
    for word in (key, secret.splitlines()[1]):
        assert word not in result.stdout + result.stderr


@pytest.fixture
def keyed(pi: Pi, certificate: Certificate) -> Iterator[Pi]:
    """A Pi that asks for a key, over HTTPS."""
    give(pi, KEY, certificate)
    yield pi
    result = playbook("site.yml", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]


def test_keys_are_nowhere_but_in_their_file_and_are_renewed_without_a_load(
    keyed: Pi, certificate: Certificate, tmp_path: Path
) -> None:
    models = f"{keyed.url}/v1/models"
    with pytest.raises(httpx.TransportError):
        httpx.get(models)
    with httpx.Client(verify=certificate.trusted()) as client:
        models = models.replace("http:", "https:")
        assert client.get(models).status_code == 401
        assert client.get(models, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get(models, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    mode = "stat --format=%a:%U:%G /etc/hailo/credentials/hailo-vision.tls-key"
    assert keyed.run(mode) == "640:root:hailo-vision"
    places = "/etc /run/credentials /var/lib/hailo-vision /opt /home /tmp"
    files = keyed.run(f"grep -rlsF {KEY} {places} || true").split()
    for path in files:
        assert keyed.run(f"sudo -u nobody cat {path} || echo refused", check=False).endswith("refused"), path
    everywhere = "cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' '\\n'"
    # A pattern in a bracket does not find the search itself.
    assert keyed.run(f"{everywhere} | grep -c '[{KEY[0]}]{KEY[1:]}'", check=False) == "0"
    assert keyed.run(f"journalctl -b -o cat | grep -cF {KEY}", check=False) == "0"
    assert keyed.run(f"systemctl show hailo-vision.service | grep -cF {KEY}", check=False) == "0"

    # Another key and certificate are in force at once, and the model stays loaded.
    model = keyed.run(NPU)
    (tmp_path / "renewed").mkdir()
    renewed = issue(tmp_path / "renewed", f"IP:{keyed.address}")
    give(keyed, f"another-{KEY}", renewed)
    assert keyed.run(NPU) == model
    with httpx.Client(verify=renewed.trusted()) as client:
        assert client.get(models, headers={"Authorization": f"Bearer {KEY}"}).status_code == 401
        assert client.get(models, headers={"Authorization": f"Bearer another-{KEY}"}).status_code == 200
