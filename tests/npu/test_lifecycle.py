"""Starting and stopping, as systemd and operators see it."""

import base64
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.certificates import issue
from support.events import events
from support.pictures import photo, user
from support.server import Server

HELLO = {"role": "user", "content": "Hello, please tell me something about yourself."}
MakeServer = Callable[..., Server]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager's notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        yield listening


def heard_until(manager: socket.socket, last: str) -> list[str]:
    """What was notified, up to and including a message."""
    heard: list[str] = []
    while not heard or heard[-1] != last:
        heard.append(manager.recv(4096).decode())
    return heard


def test_the_port_is_open_long_before_the_model_is_loaded(make_server: MakeServer) -> None:
    server = make_server(emulator={"time_scale": 0.2})
    server.start(wait=False)
    assert server.health()["state"] in ("starting", "loading")
    refused = server.chat(HELLO)
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "model_loading"
    assert refused.headers["retry-after"]
    server.wait_for(lambda: server.http.get("/health/ready").status_code == 200)
    server.wait_for(lambda: "Service ready" in server.log())


def test_systemd_hears_of_every_step(make_server: MakeServer, manager: socket.socket) -> None:
    server = make_server()
    server.extra_environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "300000"}
    server.start(wait=False)
    heard = heard_until(manager, "READY=1")
    assert "STATUS=loading" in heard
    assert "STATUS=ready" in heard
    assert any(message.startswith("EXTEND_TIMEOUT_USEC=") for message in heard)
    heard_until(manager, "WATCHDOG=1")
    assert server.stop() == 0
    assert "STATUS=stopped" in heard_until(manager, "STATUS=stopped")


def test_a_fault_that_no_restart_cures_ends_the_start_and_is_told(
    make_server: MakeServer, manager: socket.socket
) -> None:
    server = make_server(faults={"load_status": 81})
    server.extra_environment = {"NOTIFY_SOCKET": manager.getsockname()}
    server.start(wait=False)
    heard = heard_until(manager, "READY=1")
    assert re.search(r"STATUS=failed: .*CMA.* Reboot", "\n".join(heard))


def test_a_hanging_front_process_feeds_no_watchdog(make_server: MakeServer, manager: socket.socket) -> None:
    server = make_server()
    server.extra_environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "300000"}
    server.start()
    heard_until(manager, "WATCHDOG=1")
    assert server.process
    os.kill(server.process.pid, signal.SIGSTOP)
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while manager.recv(4096):  # what was said before
            pass
    manager.settimeout(1)
    with pytest.raises(TimeoutError):
        manager.recv(4096)
    os.kill(server.process.pid, signal.SIGCONT)


def test_a_stop_lets_the_running_answer_finish_and_refuses_the_rest(make_server: MakeServer) -> None:
    server = make_server(emulator={"time_scale": 0.3}).start()
    with ThreadPoolExecutor(3) as clients:
        running = clients.submit(server.chat, HELLO, stream=True)
        server.wait_for(lambda: server.health()["queue"]["running"] == 1)
        queued = clients.submit(server.chat, HELLO)
        server.wait_for(lambda: server.health()["queue"]["waiting"] == 1)
        assert server.stop() == 0
    assert running.result().text.rstrip().endswith("data: [DONE]")
    assert '"error"' not in running.result().text
    assert queued.result().status_code == 503
    assert queued.result().json()["error"]["code"] == "shutting_down"
    assert "vdevice_release" in [event["event"] for event in server.journal()]


def test_a_stop_ends_a_batch_with_an_error_for_each_picture_that_is_left(make_server: MakeServer) -> None:
    """What was admitted as one request is not queued any more; without a word the stream looked complete."""
    server = make_server(emulator={"time_scale": 0.3}).start()
    image = base64.b64encode(photo("coffee")).decode()
    body = {"images": [image] * 3, "prompt": "Describe it.", "max_tokens": 20, "stream": True}
    with ThreadPoolExecutor(1) as clients:
        running = clients.submit(server.http.post, "/v1/vision/analyze", json=body)
        server.wait_for(lambda: server.health()["queue"]["running"] == 1)
        assert server.stop() == 0
    *results, summary = events(running.result())
    assert [(result["error"] or {}).get("code") for result in results[1:]] == ["shutting_down"] * 2
    assert (summary["succeeded"], summary["failed"]) == (1, 2)


def test_an_answer_longer_than_the_limit_is_cut_with_an_error(make_server: MakeServer) -> None:
    server = make_server(
        config={"server": {"shutdown_timeout": 0.3}}, emulator={"time_scale": 1.0, "timing": {"load": 0.1}}
    ).start()
    with ThreadPoolExecutor(1) as clients:
        running = clients.submit(server.chat, user("Describe this at length.", photo("coffee")), stream=True)
        server.wait_for(lambda: server.health()["queue"]["running"] == 1)
        time.sleep(1.5)
        assert server.stop() == 0
    events = [line for line in running.result().text.split("\n\n") if line]
    assert '"code":"shutting_down"' in events[-2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_while_loading_is_quick_and_clean(make_server: MakeServer, number: int) -> None:
    server = make_server(emulator={"time_scale": 1.0})
    own = signal.signal(number, signal.SIG_DFL)  # it would ignore what pytest does under nohup
    try:
        server.start(wait=False)
    finally:
        signal.signal(number, own)
    started = time.monotonic()
    assert server.stop(number) == 0
    assert time.monotonic() - started < 8


def test_further_signals_do_not_break_off_a_stop(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.process
    with socket.create_connection(("127.0.0.1", server.port)) as half_a_request:
        half_a_request.sendall(b"GET /health HTTP/1.1\r\n")
        server.wait_for(lambda: server.health()["live"])
        server.process.send_signal(signal.SIGTERM)
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.001)
    assert server.process.returncode == 0
    assert server.log().endswith("NPU stopped\n")
    assert "Traceback" not in server.log()


def test_a_request_past_its_deadline_is_ended(make_server: MakeServer) -> None:
    server = make_server(
        config={"server": {"request_timeout": 0.5}}, emulator={"time_scale": 1.0, "timing": {"load": 0.1}}
    ).start()
    late = server.chat(HELLO)
    assert late.status_code == 504
    assert late.json()["error"]["code"] == "deadline_exceeded"
    assert late.headers["x-should-retry"] == "false"
    server.wait_for(lambda: server.health()["state"] == "ready")
    releases = [event for event in server.journal() if event["event"] == "release"]
    assert [event["status"] for event in releases] == ["ABORTED"]


def test_a_socket_unit_keeps_the_port_over_a_restart(make_server: MakeServer) -> None:
    server = make_server()
    with socket.create_server(("127.0.0.1", server.port), backlog=64) as listener:
        server.listener = listener
        server.start()
        with ThreadPoolExecutor(1) as clients:
            stopped = server.stop()
            waiting = clients.submit(server.http.get, "/health")
            time.sleep(0.2)
            assert not waiting.done()
            server.start()
            assert waiting.result().status_code == 200
        assert stopped == 0
        assert server.answer(HELLO)


def serve(server: Server) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hailo_vision", "serve", "--config", server.config_file],
        env=server.environment(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_who_connects_while_the_service_stops_is_answered(make_server: MakeServer) -> None:
    server = make_server()
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        server.listener = stack.enter_context(socket.create_server(address))
        server.start()
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        connections = []
        for _ in range(25):
            connections.append(stack.enter_context(socket.create_connection(address, timeout=30)))
            time.sleep(0.02)
        for connection in connections:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: pi\r\nConnection: close\r\n\r\n")
        assert server.process.wait(20) == 0
        server.start()
        assert {connection.recv(12) for connection in connections} == {b"HTTP/1.1 200"}


def test_a_port_in_use_is_told(make_server: MakeServer) -> None:
    server = make_server()
    with socket.create_server(("127.0.0.1", server.port)):
        done = serve(server)
    assert done.returncode == 1
    assert done.stderr == f"hailo-vision: cannot listen on 127.0.0.1:{server.port}: Address already in use\n"


def test_an_address_of_another_machine_is_told(make_server: MakeServer) -> None:
    """Also where the kernel has no IPv6 at all."""
    server = make_server(config={"server": {"host": "2001:db8::1"}})
    done = serve(server)
    assert done.returncode == 1
    assert done.stderr.startswith(f"hailo-vision: cannot listen on [2001:db8::1]:{server.port}: ")


@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_a_bad_configuration_ends_with_status_2(make_server: MakeServer, command: str) -> None:
    server = make_server()
    server.config_file.write_text("server:\n  prot: 11435\n")
    options = ["--config"] if command == "serve" else []
    done = subprocess.run(
        [sys.executable, "-m", "hailo_vision", command, *options, server.config_file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"{server.config_file}:2: server.prot: unknown key; the nearest known key is server.port\n"
    )


def test_unusable_tls_files_are_told(make_server: MakeServer) -> None:
    server = make_server(config={"server": {"tls_cert": "/absent.pem", "tls_key": "/absent.key"}})
    done = serve(server)
    assert done.returncode == 2
    assert done.stderr == (
        "server.tls_cert: /absent.pem and /absent.key can't be used: No such file or directory\n"
    )


def test_a_key_with_a_pass_phrase_is_told(make_server: MakeServer, tmp_path: Path) -> None:
    certificate, locked = issue(tmp_path, "DNS:pi.lan"), tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-in", certificate.key, "-out", locked],
        check=True, capture_output=True,
    )  # fmt: skip
    done = serve(make_server(config={"server": {"tls_cert": str(certificate.chain), "tls_key": str(locked)}}))
    assert done.returncode == 2
    assert done.stderr.endswith("can't be used: the key has a pass phrase; expected one without\n")
