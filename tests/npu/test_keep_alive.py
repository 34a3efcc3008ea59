"""An idle model is unloaded, and comes back with the next request."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from support.pictures import data_uri, plain
from support.server import MODEL, Server
from support.slow import SLOW

HELLO = {"role": "user", "content": "Hello!"}
MakeServer = Callable[..., Server]


@contextmanager
def asking(server: Server) -> Iterator[None]:
    """A client has asked, and leaves at the end of the block."""
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        body = b'{"model": "qwen2-vl-2b-instruct", "messages": [{"role": "user", "content": "Hello"}]}'
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: pi\r\nContent-Length: %d\r\n\r\n" % len(body)
        client.sendall(head + body)
        yield


def test_zero_unloads_after_each_request(make_server: MakeServer) -> None:
    server = make_server(config={"model": {"keep_alive": 0}}).start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    assert server.health()["npu_pid"] is None
    assert server.http.get("/health/ready").status_code == 200
    assert server.answer(HELLO)
    assert server.health()["loads"] == 2
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    assert "Unloading the model: idle for 0 s (keep_alive)" in server.log()


def test_idle_time_is_counted_from_the_last_request(make_server: MakeServer) -> None:
    server = make_server(config={"model": {"keep_alive": "3s"}}).start()
    for _ in range(5):
        time.sleep(0.8)
        assert server.answer(HELLO)
    assert server.health()["loads"] == 1
    server.wait_for(lambda: server.health()["state"] == "unloaded")


def test_a_request_says_how_long_the_model_stays(make_server: MakeServer) -> None:
    server = make_server(config={"model": {"client_keep_alive": "any"}}).start()
    assert server.answer(HELLO, keep_alive="5m")
    time.sleep(0.6)
    assert server.health()["state"] == "ready"
    assert server.answer(HELLO, keep_alive=0)
    server.wait_for(lambda: server.health()["state"] == "unloaded", seconds=5)
    assert server.answer(HELLO, keep_alive=-1)
    time.sleep(0.6)
    assert server.health()["state"] == "ready"


def test_an_unloaded_model_frees_the_device(make_server: MakeServer) -> None:
    server = make_server(config={"model": {"keep_alive": 0}}).start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    assert "hailo_vision_model_loaded 0.0" in server.http.get("/metrics").text
    events = [event["event"] for event in server.journal()]
    assert events.count("vdevice_open") == events.count("vdevice_release") == 1


def test_a_keep_alive_that_is_no_duration_is_refused(make_server: MakeServer) -> None:
    server = make_server().start()
    refused = server.chat(HELLO, keep_alive="soon")
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "keep_alive"


def test_the_model_stays_while_a_request_waits_for_its_picture(make_server: MakeServer) -> None:
    server = make_server(config={"model": {"keep_alive": 0}, "media": {"allow_hosts": ["127.0.0.1"]}})
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    with socket.create_server(("127.0.0.1", 0)) as origin, ThreadPoolExecutor(1) as clients:
        url = f"http://127.0.0.1:{origin.getsockname()[1]}/picture.png"
        part = {"type": "image_url", "image_url": {"url": url}}
        slow = clients.submit(server.answer, {"role": "user", "content": [part]})
        connection, _ = origin.accept()
        with connection:
            assert server.answer(HELLO)
            time.sleep(0.6)  # more than the supervisor's tick
            assert server.health()["state"] == "ready"
            picture = plain("red")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(picture), picture))
            assert slow.result()
    assert server.health()["loads"] == 2
    server.wait_for(lambda: server.health()["state"] == "unloaded")


def test_the_model_stays_while_an_answer_is_checked(make_server: MakeServer) -> None:
    """Another picture of the batch follows; a JSON answer may be asked for once more."""
    server = make_server(config={"model": {"keep_alive": 0}}).start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    batch = {
        "images": [data_uri(plain("red"))] * 5,
        "prompt": "What is it?",
        "response_format": {"type": "json_object"},
    }
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.http.post, "/v1/vision/analyze", json=batch)
        checking = held_check(server)
        time.sleep(0.6)  # more than the supervisor's tick
        assert server.health()["state"] == "ready"
        os.kill(checking, signal.SIGCONT)
        assert not any(result["error"] for result in asked.result().json()["results"])
    assert server.health()["loads"] == 2
    server.wait_for(lambda: server.health()["state"] == "unloaded")


def held_check(server: Server) -> int:
    """The server's next process that checks JSON, stopped."""
    assert server.process
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        for child in map(int, children.read_text().split()):
            try:
                if b"json_check" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGSTOP)
                    return child
            except OSError:
                pass  # it has ended
    raise AssertionError("no JSON was checked")


def test_a_stop_does_not_wait_for_who_has_left_while_loads_fail(make_server: MakeServer) -> None:
    server = make_server(config={"model": {"keep_alive": 0}}).start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    server.inject(load_status=71)
    with asking(server):
        server.wait_for(lambda: server.health()["state"] == "restarting")
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 15  # shutdown_timeout is 30 s


def test_a_load_that_fails_for_good_is_told_to_who_waited_for_it(make_server: MakeServer) -> None:
    server = make_server(config={"model": {"keep_alive": 0}}).start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    server.hef.unlink()
    refused = server.chat(HELLO)
    assert refused.status_code == 503
    assert "There is no model file" in refused.json()["error"]["message"]
    server.make_hef()
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    assert server.answer(HELLO)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    server.hef.unlink()
    refused = server.http.post("/api/generate", json={"model": MODEL})  # Ollama's way to have it loaded
    assert refused.status_code == 503
    assert "There is no model file" in refused.json()["error"]


def test_who_leaves_while_the_model_loads_holds_up_nobody(make_server: MakeServer) -> None:
    slow_load = {"time_scale": 1.0, "timing": {**SLOW["timing"], "load": 0.5}}
    server = make_server(config={"model": {"keep_alive": 0}}, emulator=slow_load).start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    with asking(server):
        server.wait_for(lambda: server.health()["state"] == "loading")
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    assert server.answer(HELLO)


def test_who_waits_for_a_load_that_fails_is_told_when_to_ask_again(make_server: MakeServer) -> None:
    """As those who ask later are; the supervisor goes on trying."""
    server = make_server(config={"model": {"keep_alive": 0}}).start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    server.inject(load_status=71)
    refused = server.chat(HELLO)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "device_unavailable")
    assert "The NPU's memory is full" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) >= 1
    server.inject()
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    assert server.answer(HELLO)


def test_a_client_may_lengthen_the_operators_keep_alive_not_shorten_it(make_server: MakeServer) -> None:
    """Each load may cost contiguous memory that only a reboot gives back."""
    server = make_server(emulator={"loads_until_cma_is_gone": 2}).start()
    for _ in range(3):
        assert server.answer(HELLO, keep_alive=0)
    assert server.health()["loads"] == 1
    short = make_server(config={"model": {"keep_alive": "200ms"}}).start(wait=False)
    short.wait_for(lambda: short.health()["state"] == "unloaded")
    assert short.answer(HELLO, keep_alive="10m")
    time.sleep(0.6)
    assert short.health()["state"] == "ready"
