"""Fetching the model, from a server on loopback that misbehaves as asked."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.modules import load

from .conftest import Run

hef = load("roles/hailo_model/library/hailo_hef.py", "hailo_hef")
MODEL = bytes.fromhex("01484546") + b"\nsdk-version: 5.1.1\n" + bytes(range(256)) * 12000


@dataclass
class Mirror:
    """What the server sends and what it was asked.

    Attributes:
        cut: how many bytes each of the next answers sends before it hangs up.
        asked: method and Range header of each request.
    """

    url: str = ""
    content: bytes = MODEL
    etag: str = '"one"'
    status: int = 0
    cut: list[int] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A server with Range and If-Range."""
    state = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(send=True)

        def do_HEAD(self) -> None:
            self.answer(send=False)

        def answer(self, send: bool) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append((self.command, wanted))
            start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
            if self.headers.get("If-Range", state.etag) != state.etag:
                start = 0
            self.send_response(state.status or (206 if start else 200))
            self.send_header("ETag", state.etag)
            if start:
                last, total = len(state.content) - 1, len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{last}/{total}")
            self.send_header("Content-Length", str(len(state.content) - start))
            self.end_headers()
            if send:
                end = start + state.cut.pop(0) if state.cut else len(state.content)
                self.wfile.write(state.content[start:end])

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up on a wrong answer is what some tests want."""

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v5.1.1/blob/model.hef"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def arguments(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the role passes."""
    monkeypatch.setattr(hef.time, "sleep", lambda seconds: None)
    return {
        "path": str(tmp_path / "resources" / "model.hef"),
        "url": mirror.url,
        "identity": "v5.1.1/blob/model.hef",
        "runtime": "5.1.1",
        "retries": 1,
    }


def test_a_missing_model_is_fetched_once(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    first = run(hef, **arguments)
    assert (first["changed"], first["size"], first["sdk_version"]) == (True, len(MODEL), "5.1.1")
    assert Path(arguments["path"]).read_bytes() == MODEL
    mirror.asked.clear()
    assert run(hef, **arguments)["changed"] is False
    assert mirror.asked == []


def test_check_mode_tells_and_touches_nothing(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    result = run(hef, check=True, **arguments)
    assert (result["changed"], result["reason"]) == (True, "it is missing")
    assert not Path(arguments["path"]).parent.exists()
    assert mirror.asked == []


def test_a_transfer_that_breaks_is_resumed(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    mirror.cut = [1_500_000]
    result = run(hef, **arguments)
    assert result["resumed_at"] == 1_500_000
    assert mirror.asked == [("GET", ""), ("GET", "bytes=1500000-")]
    assert Path(arguments["path"]).read_bytes() == MODEL


def test_a_later_run_resumes_what_an_earlier_left(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    mirror.cut = [1_000_000, 500_000]
    assert "ended at 1500000 of" in run(hef, **arguments)["msg"]
    assert not Path(arguments["path"]).exists()
    assert run(hef, **arguments)["resumed_at"] == 1_500_000
    assert Path(arguments["path"]).read_bytes() == MODEL


def test_a_file_exchanged_meanwhile_is_not_mixed(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    mirror.cut = [1_000_000, 0]
    run(hef, **arguments)
    mirror.content, mirror.etag = MODEL[:100] + MODEL[100:][::-1], '"two"'
    assert run(hef, **arguments)["resumed_at"] == 0
    assert Path(arguments["path"]).read_bytes() == mirror.content


def test_a_web_page_is_refused_at_its_first_bytes(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    mirror.content = b"<!DOCTYPE html><title>Login</title>" * 1000
    assert "is no HEF: it starts with b'<!DOCTYPE html>" in run(hef, **arguments)["msg"]
    assert not Path(arguments["path"]).exists()


def test_an_unknown_address_fails_at_once(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    mirror.status = 404
    assert "answered 404 Not Found" in run(hef, **arguments)["msg"]
    assert len(mirror.asked) == 1


def test_a_model_for_a_newer_runtime_is_refused(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    mirror.content = MODEL.replace(b"5.1.1", b"5.2.0", 1)
    assert "compiled by 5.2.0 and HailoRT 5.1.1 refuses" in run(hef, **arguments)["msg"]
    assert list(Path(arguments["path"]).parent.glob("*.hef")) == []


def test_a_wrong_checksum_keeps_the_old_model(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    run(hef, **arguments)
    result = run(hef, **arguments, sha256="0" * 64)
    assert result["failed"] is True
    assert "SHA-256" in result["msg"]
    assert Path(arguments["path"]).read_bytes() == MODEL


def test_the_right_checksum_of_what_is_there_costs_nothing(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    run(hef, **arguments)
    mirror.asked.clear()
    digest = hashlib.sha256(MODEL).hexdigest()
    assert run(hef, **arguments, sha256=digest.upper())["changed"] is False
    assert mirror.asked == []


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(MODEL[:-1]), "its length changed"),
        (lambda path: path.write_bytes(b"x" * len(MODEL)), "it is no HEF"),
        (lambda path: path.unlink(), "it is missing"),
    ],
)
def test_a_damaged_model_is_fetched_again(
    run: Run, arguments: dict[str, Any], damage: Any, reason: str
) -> None:
    run(hef, **arguments)
    damage(Path(arguments["path"]))
    result = run(hef, **arguments)
    assert (result["changed"], result["reason"]) == (True, reason)
    assert Path(arguments["path"]).read_bytes() == MODEL


def test_a_new_runtime_brings_its_model(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    run(hef, **arguments)
    mirror.content = MODEL.replace(b"5.1.1", b"5.2.0", 1)
    newer = {**arguments, "identity": "v5.2.0/blob/model.hef", "runtime": "5.2.0"}
    assert run(hef, **newer)["sdk_version"] == "5.2.0"


def test_a_model_put_there_by_hand_is_verified_and_kept(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    path = Path(arguments["path"])
    path.parent.mkdir()
    path.write_bytes(MODEL)
    result = run(hef, **arguments)
    assert (result["changed"], result["reason"]) == (True, "it was verified")
    assert mirror.asked == [("HEAD", "")]
    assert run(hef, **arguments)["changed"] is False


def test_a_full_disk_is_told_before_the_transfer(
    run: Run, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(hef.shutil, "disk_usage", lambda path: usage)
    assert "0.0 GB free and the model needs" in run(hef, **arguments)["msg"]


def test_a_model_handed_over_by_the_controller_needs_no_network(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    path = Path(arguments["path"])
    path.parent.mkdir()
    path.write_bytes(MODEL)
    assert run(hef, **arguments, trusted=True)["changed"] is True
    assert run(hef, **arguments, trusted=True)["changed"] is False
    path.write_bytes(b"x" * 100)
    assert "is no HEF" in run(hef, **arguments, trusted=True)["msg"]
    assert mirror.asked == []
