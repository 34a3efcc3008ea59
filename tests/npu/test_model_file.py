"""A model file that is missing when the service starts: another program fetches it, and the service tells."""

import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.mirror import Mirror, serve
from support.model_script import Script
from support.server import Server

HELLO = {"role": "user", "content": "Hello, please tell me something about yourself."}
MakeServer = Callable[..., Server]
Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve() as mirror:
        yield mirror


@pytest.fixture
def server(make_server: MakeServer, mirror: Mirror) -> Server:
    """A service whose configuration names a model file that only the mirror has."""
    server = make_server()
    mirror.content = server.hef.read_bytes()
    server.hef.unlink()
    server.configure({"model": {"hef_path": str(server.hef)}})
    return server


@pytest.fixture
def begin(server: Server, mirror: Mirror) -> Iterator[Begin]:
    """Begins what the unit does, which is ended with the test."""
    begun = []

    def begin(**order: object) -> "subprocess.Popen[str]":
        script = Script(server.hef, url=mirror.url, **order)
        assert script.run("begin")[0] == 0
        begun.append(script.start("fetch"))
        return begun[-1]

    yield begin
    for process in begun:
        process.terminate()
        process.communicate(timeout=30)


def ready(server: Server) -> bool:
    return server.http.get("/health/ready").status_code == 200


def problem(server: Server) -> dict[str, str]:
    """The problem that the service tells as soon as it has one."""
    server.wait_for(lambda: server.health()["problem"] is not None)
    return dict(server.health()["problem"])


def test_a_missing_model_is_fetched_and_the_state_says_so(
    server: Server, mirror: Mirror, begin: Begin
) -> None:
    mirror.pause = 0.5
    begin()
    server.start(wait=False)
    server.wait_for(lambda: server.health()["fetch"] is not None)
    health = server.health()
    assert health["state"] == "fetching"
    assert 0 <= health["fetch"]["bytes_done"] < health["fetch"]["bytes_total"] == len(mirror.content)
    refused = server.chat(HELLO)
    assert refused.status_code == 503
    assert re.search(r"is being fetched: \d+% of 0\.00 GB", refused.json()["error"]["message"])
    assert int(refused.headers["retry-after"]) >= 1
    mirror.pause = 0
    server.wait_for(lambda: ready(server))
    assert server.answer(HELLO)
    assert server.health()["fetch"] is None


def test_what_keeps_it_is_told_until_it_goes_on(server: Server, mirror: Mirror, begin: Begin) -> None:
    mirror.content, content = b"<!DOCTYPE html><title>Login</title>" * 100, mirror.content
    begin()
    server.start(wait=False)
    told = problem(server)
    assert told["code"] == "hef_fetch_failed"
    assert "is no HEF: it starts with b'<!DOCTYPE html>" in told["message"]
    assert told["cure"]
    assert server.health()["state"] == "fetching"
    assert told["message"] in server.chat(HELLO).json()["error"]["message"]
    metrics = server.http.get("/metrics").text
    assert "device_errors_total{" not in metrics  # it is none, however often looked at
    mirror.content = content
    server.wait_for(lambda: ready(server))


def test_a_model_that_does_not_fit_is_a_failure_until_another_comes(
    server: Server, mirror: Mirror, begin: Begin
) -> None:
    begin(sha256="0" * 64)
    server.start(wait=False)
    told = problem(server)
    assert told["code"] == "hef_unfit"
    assert "SHA-256" in told["message"]
    server.wait_for(lambda: server.health()["state"] == "failed")
    begin()
    server.wait_for(lambda: ready(server))


def test_a_model_that_is_put_in_place_meanwhile_is_loaded(
    server: Server, mirror: Mirror, begin: Begin
) -> None:
    mirror.pause = 0.2
    begin()
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "fetching")
    server.make_hef()
    server.wait_for(lambda: ready(server))


def test_a_transfer_that_begins_later_is_noticed(server: Server, begin: Begin) -> None:
    server.start(wait=False)
    assert problem(server)["code"] == "hef_missing"
    begin()
    server.wait_for(lambda: ready(server))


@pytest.mark.parametrize(
    "content",
    [
        "null", "{", '{"problem": null, "synced": null}', '{"total": "9"}', '{"total": -1}',
        '{"problem": {}}', '{"problem": {"message": null, "cure": 1, "unfit": "no"}}',
    ],
)  # fmt: skip
def test_a_record_that_makes_no_sense_silences_nobody(content: str, server: Server) -> None:
    server.hef.with_name(f".{server.hef.name}.part.json").write_text(content)
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] in ("fetching", "failed"))
    assert server.chat(HELLO).status_code == 503
    server.make_hef()
    server.wait_for(lambda: ready(server))
    assert "Traceback" not in server.log()


def test_where_nothing_fetches_it_the_one_command_is_told(make_server: MakeServer, mirror: Mirror) -> None:
    server = make_server()
    mirror.content = server.hef.read_bytes()
    server.hef.unlink()
    server.start(wait=False)
    cure = problem(server)["cure"]
    assert cure in server.log()
    command = shlex.split(cure[cure.index("curl ") :])
    assert command[-1] == "https://dev-public.hailo.ai/v5.1.1/blob/Qwen2-VL-2B-Instruct.hef"
    subprocess.run([*command[:-1], mirror.url], check=True, capture_output=True)
    server.wait_for(lambda: ready(server))


def test_systemd_hears_how_far_it_is(server: Server, mirror: Mirror, begin: Begin, tmp_path: Path) -> None:
    mirror.pause = 0.5
    begin()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        server.extra_environment = {"NOTIFY_SOCKET": manager.getsockname()}
        server.start(wait=False)
        heard = [manager.recv(4096).decode()]
        while not re.fullmatch(r"STATUS=fetching: \d+% of 0\.00 GB", heard[-1]):
            heard.append(manager.recv(4096).decode())
        mirror.pause = 0
        while heard[-1] != "READY=1":
            heard.append(manager.recv(4096).decode())
