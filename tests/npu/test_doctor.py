"""`hailo-vision doctor`: each thing that is wrong is named with its cure."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.certificates import issue
from support.server import ROOT, Server

MakeServer = Callable[..., Server]


def doctor(server: Server, programs: str = "") -> tuple[int, dict[str, Any]]:
    """Exit status, and the findings by check; programs is a folder of some that stand before the host's."""
    environment = server.environment()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hailo_vision",
            "doctor",
            "--json",
            "--config",
            server.directory / "config.yaml",
        ],
        env={**environment, "PATH": f"{programs}:{ROOT / 'emulator' / 'bin'}:{environment['PATH']}"},
        cwd=server.directory,
        capture_output=True,
        check=False,
        text=True,
    )
    return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}


def test_nothing_is_wrong(make_server: MakeServer) -> None:
    status, findings = doctor(make_server())
    assert status == 0
    assert all(finding["ok"] and not finding["cure"] for finding in findings.values())
    assert "5.1.1 (emulated)" in findings["runtime"]["message"]
    assert "firmware 5.1.1" in findings["versions"]["message"]


def test_it_leaves_no_logs_behind(make_server: MakeServer) -> None:
    server = make_server()
    before = set(server.directory.iterdir())
    assert doctor(server)[0] == 0
    assert {path for path in set(server.directory.iterdir()) - before if path.suffix == ".log"} == set()


def program(folder: Path, name: str, output: str) -> None:
    """A program that prints something."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\ncat <<'EOF'\n{output}\nEOF\n")
    (folder / name).chmod(0o755)


def test_firmware_that_outlived_a_reboot_is_told(make_server: MakeServer, tmp_path: Path) -> None:
    """The driver never replaces running firmware: a reboot after an upgrade does not help."""
    server = make_server()
    server.inject(firmware_version="5.1.0")
    programs = tmp_path / "programs"
    program(programs, "dmesg", "[    9.1] hailo1x 0001:01:00.0: SOC Firmware batch was already loaded")
    status, findings = doctor(server, str(programs))
    assert status == 1
    assert "kept its firmware" in findings["versions"]["message"]
    assert "power" in findings["versions"]["cure"]


def test_a_firewall_that_closes_the_port_is_told(make_server: MakeServer, tmp_path: Path) -> None:
    chain = {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": "drop"}
    program(tmp_path / "programs", "nft", json.dumps({"nftables": [{"chain": chain}]}))
    server = make_server(config={"server": {"host": "0.0.0.0"}})
    status, findings = doctor(server, str(tmp_path / "programs"))
    assert status == 1
    assert str(server.port) in findings["firewall"]["message"]
    local = make_server()
    assert doctor(local, str(tmp_path / "programs"))[1]["firewall"]["ok"]


def test_a_running_service_is_asked_and_its_chip_left_alone(make_server: MakeServer, tmp_path: Path) -> None:
    keys, certificate = tmp_path / "keys", issue(tmp_path, "IP:127.0.0.1")
    files = {"tls_cert": str(certificate.chain), "tls_key": str(certificate.key)}
    server = make_server(config={"auth": {"keys_file": str(keys)}, "server": files})
    server.http.close()
    url = server.url.replace("http:", "https:")
    server.http = httpx.Client(base_url=url, verify=certificate.trusted())
    server.start()
    status, findings = doctor(server)
    assert status == 1
    assert f"{keys} cannot be read (No such file or directory)" in findings["service"]["message"]
    keys.write_text("sk-one\n")
    server.wait_for(lambda: server.health()["warnings"] == [], 5)
    status, findings = doctor(server)
    assert status == 0
    assert "state ready" in findings["service"]["message"]
    assert f"(pid {server.health()['npu_pid']}" in findings["device"]["message"]
    assert "firmware" not in findings["versions"]["message"]


def test_another_program_on_the_port_is_told(make_server: MakeServer) -> None:
    server = make_server()
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        status, findings = doctor(server)
    assert status == 1
    assert f"port {server.port} can't be used: Address already in use" in findings["service"]["message"]
    assert "another server.port" in findings["service"]["cure"]


def test_the_services_own_problem_is_told(make_server: MakeServer) -> None:
    server = make_server(faults={"load_status": 81})
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "failed")
    status, findings = doctor(server)
    assert status == 1
    assert "CMA" in findings["service"]["message"]
    assert "Reboot" in findings["service"]["cure"]


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        ("device", lambda server: (server.directory / "hailo0").unlink()),
        ("model file", lambda server: server.hef.unlink()),
        ("model file", lambda server: server.hef.write_bytes(b"<html>")),
        ("model file", lambda server: server.make_hef(sdk_version="5.9.0")),
        ("versions", lambda server: server.inject(firmware_version="4.20.0")),
        ("configuration", lambda server: server.config_file.write_text("port: 1\n")),
    ],
)
def test_what_is_wrong_has_a_cure(
    check: str, spoil: Callable[[Server], Any], make_server: MakeServer
) -> None:
    server = make_server()
    spoil(server)
    status, findings = doctor(server)
    assert status == 1
    assert [name for name, finding in findings.items() if not finding["ok"]] == [check]
    assert len(findings[check]["cure"]) > 10
