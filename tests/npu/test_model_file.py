"""A model file that is missing when the service starts is fetched by the service, and everybody is told."""

import hashlib
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mirror import Mirror, serve
from support.server import MODEL, Server

HELLO = {"role": "user", "content": "Hello, please tell me something about yourself."}
MakeServer = Callable[..., Server]


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve() as mirror:
        yield mirror


Make = Callable[..., Server]


@pytest.fixture
def make(make_server: MakeServer, mirror: Mirror) -> Make:
    """Makes a service without a model file whose mirror has one; takes more keys of the section model."""

    def make(**model: Any) -> Server:
        server = make_server()
        mirror.content = server.hef.read_bytes()
        server.hef.unlink()
        folders = {"resources_dir": str(server.hef.parent), "fetched_dir": str(fetched(server).parent)}
        server.configure({"model": {"url": mirror.url, **folders, **model}})
        return server

    return make


def fetched(server: Server) -> Path:
    return server.directory / "fetched" / f"{MODEL}.hef"


def ready(server: Server) -> bool:
    return server.http.get("/health/ready").status_code == 200


def problem(server: Server) -> dict[str, str]:
    """The problem that the service tells as soon as it has one."""
    server.wait_for(lambda: server.health()["problem"] is not None)
    return dict(server.health()["problem"])


def test_a_missing_model_is_fetched_and_the_state_says_so(make: Make, mirror: Mirror) -> None:
    mirror.pause = 0.02
    server = make().start(wait=False)
    server.wait_for(lambda: server.health()["fetch"] is not None)
    health = server.health()
    assert health["state"] == "fetching"
    assert 0 < health["fetch"]["bytes_done"] < health["fetch"]["bytes_total"] == len(mirror.content)
    refused = server.chat(HELLO)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_loading")
    assert re.search(r"is being fetched: \d+% of 0\.00 GB", refused.json()["error"]["message"])
    assert int(refused.headers["retry-after"]) >= 1
    mirror.pause = 0
    server.wait_for(lambda: ready(server))
    assert server.answer(HELLO)
    assert fetched(server).read_bytes() == mirror.content
    assert server.health()["fetch"] is None


def test_a_fetched_model_is_loaded_again_without_the_mirror(make: Make, mirror: Mirror) -> None:
    server = make().start(wait=False)
    server.wait_for(lambda: ready(server))
    assert server.stop() == 0
    mirror.asked.clear()
    server.start()
    assert mirror.asked == []
    assert list(fetched(server).parent.iterdir()) == [fetched(server)]


def test_a_transfer_goes_on_after_the_service_was_stopped(make: Make, mirror: Mirror) -> None:
    mirror.pause = 0.05
    server = make().start(wait=False)
    server.wait_for(lambda: server.health()["fetch"] is not None)
    began = time.monotonic()
    assert server.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    mirror.pause = 0
    server.start()
    _, wanted = mirror.asked[-1]
    assert re.fullmatch(r"bytes=[1-9]\d+-", wanted)
    assert fetched(server).read_bytes() == mirror.content


@pytest.mark.parametrize("cut", [[0], [700_000, 900_000]])
def test_a_transfer_that_breaks_is_told_and_goes_on(make: Make, mirror: Mirror, cut: list[int]) -> None:
    mirror.cut = cut
    server = make().start(wait=False)
    told = problem(server)
    assert told["code"] == "hef_fetch_failed"
    assert re.search(r"(stopped|ended) at \d+ of \d+ bytes", told["message"])
    server.wait_for(lambda: ready(server))
    assert fetched(server).read_bytes() == mirror.content


def test_a_web_page_in_its_place_is_told_until_the_mirror_is_mended(make: Make, mirror: Mirror) -> None:
    server = make()
    mirror.content, content = b"<!DOCTYPE html><title>Login</title>" * 100, mirror.content
    server.start(wait=False)
    told = problem(server)
    assert "is no HEF: it starts with b'<!DOCTYPE html>" in told["message"]
    assert told["cure"]
    assert server.health()["state"] in ("restarting", "fetching")
    mirror.content = content
    server.wait_for(lambda: ready(server))


def test_a_file_of_another_checksum_is_not_loaded(make: Make, mirror: Mirror) -> None:
    server = make(sha256="0" * 64).start(wait=False)
    assert "SHA-256" in problem(server)["message"]
    assert server.health()["state"] == "failed"
    assert list(fetched(server).parent.iterdir()) == []
    server.make_hef()
    server.wait_for(lambda: ready(server))


def test_the_right_checksum_is_accepted(make_server: MakeServer, make: Make) -> None:
    digest = hashlib.sha256(make_server().hef.read_bytes()).hexdigest()
    server = make(sha256=digest.upper()).start(wait=False)
    server.wait_for(lambda: ready(server))


def test_a_model_for_a_newer_runtime_is_not_loaded(make: Make, mirror: Mirror) -> None:
    server = make()
    mirror.content = mirror.content.replace(b"5.1.1", b"5.9.0")
    server.start(wait=False)
    assert "compiled by 5.9.0 and HailoRT 5.1.1 refuses" in problem(server)["message"]


def test_a_model_that_is_put_in_place_meanwhile_is_loaded_instead(make: Make, mirror: Mirror) -> None:
    mirror.pause = 0.2
    server = make().start(wait=False)
    server.wait_for(lambda: server.health()["fetch"] is not None)
    server.make_hef()
    server.wait_for(lambda: ready(server))
    assert not fetched(server).exists()


def test_an_unwritable_folder_is_told_with_its_cure(make_server: MakeServer, make: Make) -> None:
    server = make(fetched_dir="/proc/fetched").start(wait=False)
    told = problem(server)
    assert "can't be stored in /proc/fetched" in told["message"]
    assert told["cure"]


def test_systemd_hears_how_far_it_is(make_server: MakeServer, mirror: Mirror, tmp_path: Path) -> None:
    server = make_server()
    mirror.content, mirror.pause = server.hef.read_bytes(), 0.02
    server.hef.unlink()
    folders = {"resources_dir": str(server.directory / "resources"), "fetched_dir": str(tmp_path / "fetched")}
    server.configure({"model": {"url": mirror.url, **folders}})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        server.extra_environment = {"NOTIFY_SOCKET": manager.getsockname()}
        server.start(wait=False)
        heard = [manager.recv(4096).decode()]
        while heard[-1] != "READY=1":
            heard.append(manager.recv(4096).decode())
    assert "STATUS=fetching" in heard
    assert any(re.fullmatch(r"STATUS=fetching: \d+% of 0\.00 GB", message) for message in heard)
