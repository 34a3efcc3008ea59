"""`hailo-vision qualify`: what it reports is what the emulator was told to be, and the service comes back."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import ROOT, Server

from hailo_vision.cli import qualify, tools
from hailo_vision.cli.client import Failed
from hailo_vision.cli.qualify import host, report, steps
from hailo_vision.cli.qualify.chip import Chip
from hailo_vision.npu.protocol import Load

MakeServer = Callable[..., Server]
UNITS = ("hailo-vision.socket", "hailo-vision.service")
SLACK = 4.0  # seconds that a loaded machine may add to what the emulator was told to take
TIMES = {"load": 0.7, "frame_encode": 0.1, "prefill_chunk": 0.1, "token": 0.05, "context_io": 0.3}

SYSTEMCTL = """#!/bin/sh
cd {folder} || exit 1
echo "$*" >> calls
command=$1; shift
case "$command $*" in
    show*MainPID*) echo 0 ;;
    show*) while [ $# -gt 1 ]; do shift; done; cat "$1" ;;
    stop*) for unit; do echo inactive > "$unit"; done ;;
    start*) for unit; do cat after-start > "$unit"; done ;;
esac
"""


class Systemd:
    """A systemctl of a test's own, which remembers states and what it was told."""

    def __init__(self, folder: Path, *, after_start: str = "active", up: tuple[str, ...] = UNITS) -> None:
        self.folder = folder
        folder.mkdir()
        for unit in UNITS:
            (folder / unit).write_text("active\n" if unit in up else "inactive\n")
        (folder / "after-start").write_text(f"{after_start}\n")
        program = folder / "systemctl"
        program.write_text(SYSTEMCTL.format(folder=folder))
        program.chmod(0o755)

    def told(self, verb: str) -> list[str]:
        calls = (self.folder / "calls").read_text().splitlines()
        return [call for call in calls if call.startswith(verb)]

    def states(self) -> list[str]:
        return [(self.folder / unit).read_text().strip() for unit in UNITS]


def start(server: Server, *options: str, systemd: Systemd | None = None) -> subprocess.Popen[str]:
    """The command, whose report goes into the server's folder."""
    environment = server.environment()
    folders = [systemd.folder] if systemd else []
    path = ":".join(map(str, [*folders, ROOT / "emulator" / "bin", environment["PATH"]]))
    command = [sys.executable, "-m", "hailo_vision", "qualify", "--config", str(server.config_file)]
    return subprocess.Popen(
        [*command, "--output", str(server.directory), *([] if systemd else ["--no-service"]), *options],
        env={**environment, "PATH": path},
        cwd=server.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], step: str) -> None:
    """Wait until a step begins."""
    assert process.stderr
    told = []
    for line in process.stderr:
        told.append(line)
        if line.startswith(f"{step}:"):
            return
    raise AssertionError("".join(told))


def end(process: subprocess.Popen[str], server: Server) -> tuple[int, dict[str, Any], str]:
    """Exit status, the steps of the report by name, and all that was told."""
    _, told = process.communicate(timeout=300)
    found = list(server.directory.glob("qualify-*.json"))
    results = json.loads(found[0].read_text())["results"] if found else []
    return process.returncode, {result["name"]: result for result in results}, told


@pytest.fixture(scope="module", params=["5.1.1", "5.2.0"])
def run(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Version, report and Markdown of a whole run; the two versions have settings of their own."""
    old = request.param == "5.1.1"
    emulator = {
        "version": request.param,
        "time_scale": 1.0,
        "context_capacity": 2048 if old else 1700,
        "timing": {**TIMES, "abort_waits_for": "prefill" if old else "chunk"},
    }
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "run", emulator=emulator)
        process = start(server)
        _, told = process.communicate(timeout=400)
        assert process.returncode == 0, told
        (json_file,) = server.directory.glob("qualify-*.json")
        markdown = json_file.with_suffix(".md").read_text()
        yield request.param, json.loads(json_file.read_text()), markdown
        server.close()


def values(made: dict[str, Any], step: str) -> dict[str, Any]:
    (found,) = [result for result in made["results"] if result["name"] == step]
    assert not found["error"]
    return dict(found["values"])


def test_every_step_and_every_open_point_is_in_the_report(run: tuple[str, dict[str, Any], str]) -> None:
    version, made, markdown = run
    assert made["ok"]
    assert [result["name"] for result in made["results"]] == [step.name for step in steps.STEPS]
    assert len(made["open_points"]) == len(report.OPEN_POINTS) + 1
    for point, found in made["open_points"].items():
        assert found
        assert "not found" not in found
        assert point in markdown
    assert version in values(made, "versions")["hailortcli"]
    assert values(made, "model file")["bytes"] == 4_000_000


def test_times_are_those_of_the_settings(run: tuple[str, dict[str, Any], str]) -> None:
    _, made, _ = run
    loads = values(made, "loads")
    assert len(loads["each (s)"]) == 5
    assert all(TIMES["load"] <= seconds < TIMES["load"] + SLACK for seconds in loads["each (s)"])
    first = values(made, "first token")
    for pictures in (0, 1, 5, 10):
        chunks = -(-first[f"{pictures} pictures, prompt tokens"] // 96)
        least = pictures * TIMES["frame_encode"] + chunks * TIMES["prefill_chunk"]
        assert least <= first[f"{pictures} pictures, seconds"] + 0.001 < least + SLACK
    assert first["10 pictures, calls"] == 2
    speed = values(made, "speed")["tokens a second"]
    assert 1 / (TIMES["token"] + SLACK / 64) < speed < 1.05 / TIMES["token"]
    assert (
        TIMES["context_io"] <= values(made, "saved context")["save_context (s)"] < TIMES["context_io"] + SLACK
    )


def test_an_abort_takes_what_the_settings_say(run: tuple[str, dict[str, Any], str]) -> None:
    version, made, _ = run
    abort = values(made, "abort")
    whole = abort["tokens of that prompt"] // 96 * TIMES["prefill_chunk"]
    in_one_call = abort["asked as a prefill in one call begins (s)"]
    assert (in_one_call >= whole - TIMES["prefill_chunk"]) == (version == "5.1.1")
    assert abort["asked as the encoding of 5 pictures begins (s)"] >= 5 * TIMES["frame_encode"]
    assert abort["in decoding, median of 5 (s)"] < 4 * TIMES["token"] + SLACK


def test_answers_context_and_sharing_are_those_of_the_version(run: tuple[str, dict[str, Any], str]) -> None:
    version, made, _ = run
    equality = values(made, "equality")
    assert equality["with the context reused as without"]
    assert equality["tokens reused"] > 144
    assert next(value for name, value in equality.items() if re.match(r"prefilled in [2-9] parts", name))
    context = values(made, "context")
    assert context["capacity"] == (2048 if version == "5.1.1" else 1700)
    assert context["usage after it"] < context["capacity"] < context["usage after another one on top of it"]
    assert context["cleared, it answers as before"]
    saved = values(made, "saved context")
    assert saved["bytes"] > 29_000_000
    assert saved["usage as before"]
    assert saved["answer after load_context as in a fresh context"]
    second = values(made, "second process")["a second process"]
    assert ("loads the model" in second) == (version == "5.1.1")
    assert not values(made, "bindings")["other threads run meanwhile"]
    assert values(made, "poison")["a right prompt after it"].startswith("fails")
    assert values(made, "poison")["a right prompt in the end"].startswith("answers")


def test_the_service_is_stopped_and_started(make_server: MakeServer, tmp_path: Path) -> None:
    server, systemd = make_server(), Systemd(tmp_path / "systemd")
    process = start(server, systemd=systemd)
    until(process, "versions")
    assert systemd.states() == ["inactive", "inactive"]
    status, found, told = end(process, server)
    assert status == 0, told
    assert systemd.states() == ["active", "active"]
    assert found["service's return"]["values"]["hailo-vision.service"] == "active"


def test_what_was_not_up_is_not_started(make_server: MakeServer, tmp_path: Path) -> None:
    server, systemd = make_server(hef=False), Systemd(tmp_path / "systemd", up=("hailo-vision.socket",))
    status, found, _ = end(start(server, systemd=systemd), server)
    assert status == 1
    assert "no model file" in found["model file"]["error"]
    assert found["heat after"]["error"] == ""
    assert systemd.states() == ["active", "inactive"]


def test_a_service_that_does_not_come_back_is_told(make_server: MakeServer, tmp_path: Path) -> None:
    server, systemd = make_server(hef=False), Systemd(tmp_path / "systemd", after_start="failed")
    status, found, told = end(start(server, systemd=systemd), server)
    assert status == 1
    assert "hailo-vision.service is failed" in found["service's return"]["error"]
    assert "did not come back" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_starts_the_service(
    number: signal.Signals, make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(emulator={"time_scale": 1.0, "timing": {"load": 600}})
    systemd = Systemd(tmp_path / "systemd")
    process = start(server, systemd=systemd)
    until(process, "loads")
    process.send_signal(number)
    status, found, told = end(process, server)
    assert status == 130, told
    assert not found
    assert systemd.told("start") == [f"start {' '.join(UNITS)}"]
    assert systemd.states() == ["active", "active"]


def test_a_chip_that_vanishes_is_told_and_ends_non_zero(make_server: MakeServer, tmp_path: Path) -> None:
    server, systemd = make_server(), Systemd(tmp_path / "systemd")
    process = start(server, systemd=systemd)
    until(process, "loads")
    server.inject(link_lost_after_tokens=3)
    status, found, _ = end(process, server)
    assert status == 1
    assert found["model"]["error"]
    assert "Not tried" in found["poison"]["error"]
    assert found["heat after"]["error"] == ""
    assert systemd.states() == ["active", "active"]


def test_a_chip_at_work_is_left_alone(make_server: MakeServer) -> None:
    server = make_server().start()
    status, found, told = end(start(server), server)
    assert status == 1
    assert f"(pid {server.health()['npu_pid']}" in told
    assert not found


def test_without_systemd_it_says_what_to_do(make_server: MakeServer, tmp_path: Path) -> None:
    server, systemd = make_server(), Systemd(tmp_path / "systemd")
    (systemd.folder / "systemctl").write_text("#!/bin/sh\necho no bus >&2; exit 1\n")
    status, _, told = end(start(server, systemd=systemd), server)
    assert status == 1
    assert "no bus" in told
    assert "--no-service" in told


@pytest.mark.parametrize(
    ("fault", "says"), [("load_hang", "within 3 s"), ("crash_in_load", "SIGKILL|signal 9")]
)
def test_a_step_ends_in_time(
    fault: str, says: str, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server(faults={fault: True})
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    order = Load(str(server.hef), "SHARED", ())
    chip = Chip()
    try:
        with pytest.raises(Failed, match=says):
            chip.call("load", order, seconds=3 if fault == "load_hang" else 60)
    finally:
        chip.close()


def test_memory_that_the_service_needs_is_left_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(tools, "_MEMINFO", meminfo)
    meminfo.write_text("CmaTotal: 524288 kB\nCmaFree: 409600 kB\n")
    steps.check_cma(kept=50)
    with pytest.raises(Failed, match="400 MB"):
        steps.check_cma(kept=100)


def test_packages_are_told_whether_held_or_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    states = {"h10-hailort": "hold ok installed", "hailo-all": "deinstall ok config-files"}
    fields = "Version: 5.1.1\nArchitecture: arm64\nMaintainer: a <a@b.example>\nDescription: one"
    entries = [f"Package: {name}\nStatus: {state}\n{fields}\n" for name, state in states.items()]
    (tmp_path / "status").write_text("\n".join(entries))
    monkeypatch.setenv("DPKG_ADMINDIR", str(tmp_path))
    assert host.versions()["packages"] == ["h10-hailort:arm64 5.1.1"]


def test_a_report_that_can_not_be_written_is_told_before_it_takes_minutes_and_is_not_lost(
    make_server: MakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server = make_server()
    _, errors = start(server, "--output", "/proc").communicate(timeout=60)
    assert errors == "/proc: no report can be written there: No such file or directory\n"
    with pytest.raises(Failed, match="No such file or directory"):
        qualify._write(report.make("pi", "now", []), server.directory / "removed meanwhile")
    assert json.loads(capsys.readouterr().out)["host"] == "pi"


def test_no_text_can_spoil_the_markdown() -> None:
    found = {"a": "x | *y* <b>", "b": "one\n```\n# two"}
    made = report.make("pi", "now", [report.Result("versions", "Look.", 1.0, found, "")])
    text = report.markdown(made)
    assert r"| a | x \| \*y\* \<b\> |" in text
    assert "````text\none\n```\n# two\n````" in text
    assert "not tried" in made.open_points["Chat template"]


@pytest.mark.parametrize("confirmed", [False, True])
def test_the_playbook_collects_reports_of_hosts_that_may_be_disturbed(
    confirmed: bool, make_server: MakeServer, tmp_path: Path
) -> None:
    server, systemd = make_server(hef=False), Systemd(tmp_path / "systemd")
    command = systemd.folder / "hailo-vision"
    command.write_text(
        f'#!/bin/sh\nexport PATH={systemd.folder}:"$PATH"\n'
        f'[ "$1" = version ] || set -- "$@" --config {server.config_file}\n'
        f'exec {sys.executable} -m hailo_vision "$@"\n'
    )
    command.chmod(0o755)
    host_variables = (
        "ansible_connection=local ansible_become=false ansible_python_interpreter=/usr/bin/python3"
    )
    (tmp_path / "inventory").write_text(f"[hailo_nodes]\npi-1 {host_variables}\n")
    settings = {"hailo_qualify_dest": str(tmp_path / "reports"), "hailo_qualify_confirmed": confirmed}
    ansible = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [
            ansible,
            "-i",
            tmp_path / "inventory",
            "playbooks/qualify.yml",
            "-e",
            json.dumps(settings),
        ],
        env={**server.environment(), "PATH": f"{systemd.folder}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    suffixes = sorted(path.suffix for path in tmp_path.glob("reports/pi-1/qualify-*"))
    assert suffixes == ([".json", ".md"] if confirmed else [])
    assert systemd.told("stop") == ([f"stop {' '.join(UNITS)}"] if confirmed else [])
    assert ("There is no model file" if confirmed else "hailo_qualify_confirmed=true") in done.stdout
    assert systemd.states() == ["active", "active"]
