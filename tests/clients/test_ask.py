"""`hailo-vision ask` and `make ask`: the answers on standard output, what is wrong on standard error."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.pictures import DATA
from support.server import Server

PHOTO = DATA / "coffee.jpg"


def ask(url: str, picture: Path = PHOTO, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hailo_vision", "ask", str(picture), "What is this?", "--url", url]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_it_answers(suffix: str, server: Server) -> None:
    done = ask(server.url + suffix)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 20


def test_it_says_what_is_wrong(server: Server, tmp_path: Path) -> None:
    missing = ask(server.url, tmp_path / "none.jpg")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "none.jpg: No such file" in missing.stderr
    (tmp_path / "text.jpg").write_text("text")
    broken = ask(server.url, tmp_path / "text.jpg")
    assert broken.returncode == 1
    assert "not an image" in broken.stderr
    unreachable = ask("http://127.0.0.1:9")
    assert unreachable.returncode == 1
    assert "refused" in unreachable.stderr


def test_it_gives_the_key_of_its_environment(make_server: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("sk-one\n")
    server = make_server(config={"auth": {"keys_file": str(tmp_path / "keys")}}).start()
    assert "API key is required" in ask(server.url).stderr
    assert ask(server.url, HAILO_VISION_API_KEY="sk-one").returncode == 0


def test_a_fault_in_the_middle_is_told(make_server: Callable[..., Server]) -> None:
    server = make_server(faults={"crash_after_tokens": 3}).start()
    done = ask(server.url)
    assert done.returncode == 1
    assert "not available" in done.stderr


def ask_all(*services: str, picture: Path = PHOTO) -> subprocess.CompletedProcess[str]:
    """What `make ask` calls."""
    script = str(Path(__file__).with_name("ask.py"))
    command = [sys.executable, script, str(picture), "What is this?", *services]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_each_answer_has_its_name_and_so_has_a_failure(server: Server) -> None:
    done = ask_all(f"pi01={server.url}", "pi02=http://127.0.0.1:9", server.url)
    assert done.returncode == 1
    assert done.stderr.startswith("pi02 http://127.0.0.1:9 did not answer: Connection error. (")
    assert done.stderr.count("\n") == 1
    begin, *answers, end = done.stdout.splitlines()
    assert begin.startswith("Asking 3 at once")
    heads = {line.partition(" (")[0] for line in answers if " s, first word after " in line}
    assert heads == {f"pi01 {server.url}", server.url}
    assert end.startswith("2 of 3 answered in ")


def test_all_are_asked_at_once() -> None:
    """None of these services answers before all have been asked."""
    barrier = threading.Barrier(4)

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            barrier.wait(timeout=30)
            chunk = {"choices": [{"index": 0, "delta": {"content": "A cup."}, "finish_reason": "stop"}]}
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

        def log_message(self, *_: object) -> None:
            """Say nothing on the tests' own standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as service:
        threading.Thread(target=service.serve_forever).start()
        done = ask_all(*[f"pi0{n}=http://127.0.0.1:{service.server_port}" for n in range(1, 5)])
        service.shutdown()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\nA cup.\n") == 4


def test_a_photo_that_is_missing_is_named(server: Server, tmp_path: Path) -> None:
    done = ask_all(server.url, picture=tmp_path / "none.jpg")
    assert (done.returncode, done.stdout) == (2, "")
    assert "none.jpg: No such file" in done.stderr
