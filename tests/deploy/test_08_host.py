"""What the deployment does to a host besides the service: port, journal, command, support bundle."""

import json
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.conftest import Pi, limit, playbook

DROP_IN = "/etc/systemd/journald.conf.d/90-hailo-vision.conf"
PORT = 11999
CONFIG = "/etc/hailo/hailo-vision.yaml"
UNIT = "/etc/systemd/system/hailo-vision.service"
KEYS = "/etc/hailo/credentials/hailo-vision.api-keys"
RESTART = "systemctl reset-failed hailo-vision.service; systemctl restart hailo-vision.service"
KEY = "sk-planted-where-it-does-not-belong"


@pytest.fixture
def taken(pi: Pi) -> Iterator[Pi]:
    """A Pi on which another program has the port."""
    server = f"python3 -m http.server --bind 0.0.0.0 {PORT}"
    pi.run(f"systemd-run --unit=squatter {server}; until ss -Hltn | grep -q :{PORT}; do sleep 0.1; done")
    yield pi
    pi.run("systemctl stop squatter.service")


def test_a_port_in_use_is_told_with_its_holder_and_nothing_is_touched(taken: Pi) -> None:
    before = taken.run("cat /etc/hailo/hailo-vision.yaml"), taken.property("MainPID")
    result = playbook("site.yml", "--extra-vars", f"hailo_vision_port={PORT}", "--limit", limit(taken))
    assert result.returncode != 0
    told = " ".join(result.stdout.split())
    assert f"{taken.name} can't serve on port {PORT}, which is held by python3 (process " in told
    assert "of squatter.service). Stop that, or set hailo_vision_port" in told
    assert (taken.run("cat /etc/hailo/hailo-vision.yaml"), taken.property("MainPID")) == before
    assert taken.ask("coffee.jpg")


def test_the_journal_is_kept_where_the_setting_says_without_a_restart_of_the_service(pi: Pi) -> None:
    service = pi.property("MainPID")
    journal = pi.property("MainPID", "systemd-journald.service")
    in_memory = "journalctl --relinquish-var; rm -rf /var/log/journal"
    pi.run(f"{in_memory}; logger before-the-change")
    result = playbook("site.yml", "--extra-vars", "hailo_vision_journal=persistent", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.property("MainPID", "systemd-journald.service") != journal
    assert pi.property("MainPID") == service
    assert "SystemMaxUse=200M" in pi.run(f"cat {DROP_IN}")
    pi.run("logger after-the-change; journalctl --sync")
    assert "after-the-change" in pi.run("journalctl --directory=/var/log/journal -o cat --lines=50")
    assert "before-the-change" in pi.run("journalctl -b -o cat --lines=500")
    journal = pi.property("MainPID", "systemd-journald.service")
    assert playbook("site.yml", "--limit", limit(pi)).returncode == 0
    assert pi.run(f"ls {DROP_IN} 2>/dev/null", check=False) == ""
    assert pi.property("MainPID", "systemd-journald.service") != journal
    pi.run(in_memory)


def test_a_port_that_only_the_host_itself_reaches_is_found_by_the_verify_playbook(pi: Pi) -> None:
    """As where a firewall closes it."""
    drop_in = "/run/systemd/system/hailo-vision.socket.d"
    restart = "systemctl daemon-reload; systemctl restart hailo-vision.socket hailo-vision.service"
    local = "[Socket]\\nListenStream=\\nListenStream=127.0.0.1:11435\\n"
    pi.run(f"mkdir -p {drop_in}; printf '{local}' > {drop_in}/local.conf; {restart}")
    try:
        result = playbook("verify.yml", "--limit", limit(pi))
    finally:
        pi.run(f"rm -r {drop_in}; systemctl reset-failed hailo-vision.service; {restart}")
        pi.wait_ready()
    assert result.returncode != 0
    assert "It answers on the host, and not from the controller at http://" in " ".join(result.stdout.split())


def test_the_command_is_on_the_path(pi: Pi) -> None:
    assert pi.run("sudo -u pi hailo-vision version").startswith("hailo-vision ")


@pytest.fixture
def keyed(pi: Pi) -> Iterator[Pi]:
    """A Pi whose key has also got where no key belongs: into the configuration, a unit and the journal."""
    pi.run(f"cp -p {CONFIG} /root/config; echo 'auth: {{keys_file: {KEYS}}} # {KEY}' >> {CONFIG}")
    pi.run(f"mkdir -p {UNIT}.d; echo {KEY} > {KEYS}; chmod 640 {KEYS}; chgrp hailo-vision {KEYS}")
    pi.run(f"printf '[Service]\nExecStartPre=/usr/bin/echo {KEY}\n' > {UNIT}.d/note.conf")
    pi.run(f"systemctl daemon-reload; {RESTART}")
    pi.wait_ready()
    yield pi
    pi.run(f"mv /root/config {CONFIG}; rm -r {KEYS} {UNIT}.d; systemctl daemon-reload; {RESTART}")
    pi.wait_ready()


def test_a_support_bundle_tells_everything_but_the_keys(keyed: Pi, tmp_path: Path) -> None:
    changed = "find / -xdev -newer /tmp/mark -type f -not -path '/proc/*' -not -path '/var/log/*'"
    keyed.run("touch /tmp/mark")
    result = playbook("logs.yml", "--limit", keyed.name, "--extra-vars", f"hailo_vision_logs_dest={tmp_path}")
    assert result.returncode == 0, result.stdout[-3000:]
    left = keyed.run(f"{changed}; rm /tmp/mark", check=False).splitlines()
    assert not [path for path in left if "tar" in path or "support" in path or "ansible" in path], left
    (bundle,) = tmp_path.iterdir()
    assert bundle.name.startswith(f"{keyed.name}-")
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    with tarfile.open(bundle) as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive}
        texts = {name: file.read().decode() for name, file in files.items() if file}
    assert [name for name, text in texts.items() if KEY in text] == []
    assert KEY not in result.stdout + result.stderr
    assert "(secret)" in texts["configuration.yaml"]
    assert "ExecStartPre=/usr/bin/echo (secret)" in texts["units.txt"]
    assert json.loads(texts["health.json"])["state"] == "ready"
    assert "hailo_vision_model_loaded 1.0" in texts["metrics.txt"]
    assert "model file: " in texts["doctor.txt"]
    assert "echo" in texts["journal.txt"]
    assert "(secret)" in texts["journal.txt"]
    assert "Service ready" in texts["journal.txt"]
    assert " h10-hailort 5.1.1" in texts["packages.txt"]


@pytest.fixture
def broken(pi: Pi) -> Iterator[Pi]:
    """A Pi whose release is half gone."""
    pi.run("mv /usr/local/bin/hailo-vision /root/")
    yield pi
    pi.run("mv /root/hailo-vision /usr/local/bin/")


def test_a_host_that_can_give_no_bundle_is_told_with_the_reason(broken: Pi, tmp_path: Path) -> None:
    result = playbook(
        "logs.yml", "--limit", broken.name, "--extra-vars", f"hailo_vision_logs_dest={tmp_path}"
    )
    assert result.returncode != 0
    told = " ".join(result.stdout.split())
    assert f"{broken.name} has no command hailo-vision that can collect a support bundle: Failed to" in told
    assert list(tmp_path.iterdir()) == []
