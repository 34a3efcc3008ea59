"""server.ollama_port: a second port of the same service, for tools that know Ollama on 11434 only."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.certificates import issue
from support.ollama import lines
from support.server import MODEL, Server, free_port
from support.slow import LONG, SLOW, begun

from hailo_vision.config import ConfigError, parse

MakeServer = Callable[..., Server]
CHAT = {"model": MODEL, "messages": [LONG], "options": {"num_predict": 8}}


def with_second(make_server: MakeServer, **arguments: object) -> tuple[Server, httpx.Client]:
    """A service with a second port, not started, and a client of that port."""
    port = free_port()
    server = make_server(config={"server": {"ollama_port": port}}, **arguments)
    return server, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)


def test_both_ports_speak_every_dialect(make_server: MakeServer) -> None:
    server, second = with_second(make_server)
    server.start()
    with second:
        for client in (server.http, second):
            assert lines(client.post("/api/chat", json=CHAT))[-1]["done"]
            assert client.get("/v1/models").status_code == 200
            assert client.get("/health").json()["npu_pid"] == server.health()["npu_pid"]


def test_a_running_answer_is_finished_when_the_service_ends(make_server: MakeServer) -> None:
    server, second = with_second(make_server, emulator=SLOW)
    server.start()
    with second, ThreadPoolExecutor(1) as clients:
        answer = clients.submit(second.post, "/api/chat", json=CHAT)
        server.wait_for(lambda: begun(server) == 1)
        assert server.stop(signal.SIGTERM) == 0
        assert lines(answer.result())[-1]["eval_count"] == 8


@pytest.mark.parametrize("both", [False, True])
def test_what_a_socket_unit_does_not_hold_is_opened(both: bool, make_server: MakeServer) -> None:
    server, second = with_second(make_server)
    with second, socket.create_server(("127.0.0.1", server.port)) as listener:
        server.listener = listener
        if both:
            server.second_listener = socket.create_server((second.base_url.host, second.base_url.port or 0))
        server.start()
        for client in (server.http, second):
            assert client.get("/api/version").status_code == 200
        if server.second_listener:
            server.second_listener.close()


def test_with_tls_both_ports_have_it(make_server: MakeServer, tmp_path: Path) -> None:
    certificate = issue(tmp_path, "IP:127.0.0.1")
    port = free_port()
    files = {"tls_cert": str(certificate.chain), "tls_key": str(certificate.key), "ollama_port": port}
    server = make_server(config={"server": files})
    server.http.close()
    server.http = httpx.Client(base_url=server.url.replace("http:", "https:"), verify=certificate.trusted())
    server.start()
    assert server.http.get(f"https://127.0.0.1:{port}/api/version").status_code == 200


def test_a_second_port_in_use_is_told(make_server: MakeServer) -> None:
    server, second = with_second(make_server)
    with second, socket.create_server((second.base_url.host, second.base_url.port or 0)):
        done = subprocess.run(
            [sys.executable, "-m", "hailo_vision", "serve", "--config", server.config_file],
            env=server.environment(), capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{second.base_url.port}: Address already in use" in done.stderr


def test_the_same_port_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"file:2: server\.ollama_port: expected another port than"):
        parse("server:\n  ollama_port: 11435\n", "file")
