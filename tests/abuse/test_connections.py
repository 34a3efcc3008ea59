"""Connections that only want to stay, that come in floods, or that bring too much together."""

import gzip
import select
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.certificates import issue
from support.server import Server, free_port

from hailo_vision.http import limits
from tests.abuse.wire import GET, HELLO, connected, drain, exchange, post, statuses


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this file's own: these tests use up what all connections share."""
    server = Server(tmp_path_factory.mktemp("patient") / "run", {"server": {"max_body_bytes": 1_000_000}})
    try:
        yield server.start()
    finally:
        server.close()


def trickle(connection: socket.socket, data: bytes, seconds: float) -> float:
    """Send a byte every so often until the other side has closed; returns after how many seconds it had."""
    started = time.monotonic()
    connection.settimeout(seconds)
    answer = b""
    for number in range(200):
        try:
            connection.send(data[number : number + 1] or b"x")
        except OSError:
            break
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        answer += piece
        if not piece:
            break
    assert statuses(answer) in ([408], []), answer[:200]
    return time.monotonic() - started


def test_who_sends_a_byte_at_a_time_is_sent_away(
    patient: Server, make_server: Callable[..., Server], tmp_path: Path
) -> None:
    """A slow loris once kept its connection for ever, and a body that never came for three hours."""
    certificate = issue(tmp_path, "IP:127.0.0.1")
    files, other = {"tls_cert": str(certificate.chain), "tls_key": str(certificate.key)}, free_port()
    encrypted = make_server(config={"server": {**files, "ollama_port": other}})
    encrypted.http = httpx.Client(
        base_url=encrypted.url.replace("http", "https"), verify=certificate.trusted()
    )
    encrypted.start()
    addresses = [("127.0.0.1", port) for port in (encrypted.port, other)]
    silent = [socket.create_connection(address, timeout=30) for address in addresses]
    flood = b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 10_000
    slow_body = post(b"", "Content-Length: 100000", length=False)
    with connected(patient) as first, connected(patient) as second:
        second.sendall(slow_body)
        assert trickle(first, flood, 0.25) < 40
        assert trickle(second, b"{" * 1000, 0.25) < 20
    assert httpx.get(f"{patient.url}/health").status_code == 200
    for connection in silent:
        with connection:
            assert connection.recv(1) == b""


def test_who_never_reads_is_sent_away(make_server: Callable[..., Server]) -> None:
    """Who asked in a row and looked at no response kept a connection for five hours; 512 took them all."""
    server = make_server()
    code = "from hailo_vision import cli; from hailo_vision.http import limits; import sys; "
    code += "limits.READ_SECONDS, limits.LOOK_EVERY_SECONDS = 1, 0.1; cli.main(sys.argv[3:])"
    server.python = [sys.executable, "-c", code]
    server.start()
    assert server.process
    descriptors = Path(f"/proc/{server.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        server.wait_for(lambda: len(list(descriptors.iterdir())) > before)
        server.wait_for(lambda: len(list(descriptors.iterdir())) == before)
        assert statuses(drain(connection)).count(200) < 200


def test_connections_that_only_stay_make_room_for_those_that_ask(patient: Server) -> None:
    held = []
    try:
        for _ in range(limits.MAX_CONNECTIONS + 50):
            held.append(socket.create_connection(("127.0.0.1", patient.port), timeout=5))
        assert httpx.get(f"{patient.url}/health", timeout=5).status_code == 200
        assert exchange(patient, post()) == [200]
    finally:
        for connection in held:
            connection.close()
    assert httpx.get(f"{patient.url}/health", timeout=5).status_code == 200


def test_when_every_connection_has_a_request_further_ones_are_told_to_come_again(patient: Server) -> None:
    held = []
    try:
        for _ in range(limits.MAX_CONNECTIONS):
            held.append(socket.create_connection(("127.0.0.1", patient.port), timeout=5))
            held[-1].sendall(post(b"{", "Content-Length: 1000", length=False))
        with connected(patient) as connection:
            answer = drain(connection, idle=2)
        assert statuses(answer) == [429]
        assert b"\r\nRetry-After: 5\r\n" in answer
    finally:
        for connection in held:
            connection.close()
    patient.wait_for(lambda: patient.http.get("/health").status_code == 200)


def test_a_bomb_bursts_at_the_limit_of_bodies(patient: Server) -> None:
    """64 MB of nothing in 64 KB: the limit counts what comes out, and others are answered meanwhile."""
    nothing = bytes(800_000)
    for packed in (gzip.compress(bytes(64_000_000)), gzip.compress(nothing) * 80):
        assert exchange(patient, post(packed, "Content-Encoding: gzip")) == [413]
    assert exchange(patient, post(gzip.compress(HELLO + b" " * 900_000), "Content-Encoding: gzip") + GET) == [
        200,
        200,
    ]


def test_what_comes_out_of_compressed_bodies_counts_for_all_together(patient: Server) -> None:
    body = zlib.compressobj(wbits=31)
    almost = body.compress(HELLO + b" " * 900_000) + body.flush(zlib.Z_SYNC_FLUSH)
    head = post(b"", f"Content-Length: {len(almost) + 100}", "Content-Encoding: gzip", length=False)
    held = [socket.create_connection(("127.0.0.1", patient.port), timeout=5) for _ in range(10)]
    try:
        for connection in held:
            connection.sendall(head + almost)
        waiting, refused = list(held), 0
        while refused < len(held) - limits.BODIES_IN_MEMORY:
            answering, _, _ = select.select(waiting, [], [], 15)
            assert answering, f"{refused} of {len(held)} were refused"
            for connection in answering:
                waiting.remove(connection)
                assert statuses(connection.recv(65536)) == [429]
                refused += 1
    finally:
        for connection in held:
            connection.close()
    patient.wait_for(lambda: exchange(patient, post()) == [200])


def test_all_bodies_together_are_bounded(patient: Server) -> None:
    held = []
    try:
        for _ in range(limits.BODIES_IN_MEMORY + 3):
            connection = socket.create_connection(("127.0.0.1", patient.port), timeout=5)
            held.append(connection)
            connection.sendall(post(b"x" * 900_000, "Content-Length: 950000", length=False))
        refused, _, _ = select.select(held, [], [], 15)
        assert refused
        answers = [connection.recv(65536) for connection in refused]
        assert all(statuses(answer) == [429] and b"Retry-After: 5" in answer for answer in answers)
        assert exchange(patient, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") == [200]
    finally:
        for connection in held:
            connection.close()
    patient.wait_for(lambda: exchange(patient, post()) == [200])


def test_a_body_at_a_kilobyte_a_second_is_served(patient: Server) -> None:
    body = HELLO + b" " * 3000
    with connected(patient) as connection:
        connection.sendall(post(b"", f"Content-Length: {len(body)}", length=False))
        for start in range(0, len(body), 512):
            connection.sendall(body[start : start + 512])
            time.sleep(0.5)
        assert statuses(connection.recv(65536)) == [200]
