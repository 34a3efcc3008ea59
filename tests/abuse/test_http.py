"""HTTP that no honest client sends, and what is rare but valid: smuggling shapes, codings, odd heads."""

import gzip
import json
import socket
import ssl
from collections.abc import Callable

import pytest
from support.server import Server

from tests.abuse.wire import GET, HELLO, connected, drain, exchange, post, statuses

MakeServer = Callable[..., Server]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: pi\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


def chunked(body: bytes, *, size: bytes | None = None, end: bytes = b"\r\n") -> bytes:
    return (size or b"%x" % len(body)) + b"\r\n" + body + end + b"0\r\n\r\n"


def trailed(fields: bytes) -> bytes:
    """A chunked body with something between its last chunk and its end."""
    return chunked(HELLO).removesuffix(b"\r\n") + fields + b"\r\n"


# Each holds a second request in what one of two servers takes for a body and the other does not.
SMUGGLING: dict[str, bytes] = {
    "length and chunked": post(b"0\r\n\r\n" + SMUGGLED, CHUNKED),
    "two lengths": post(SMUGGLED, "Content-Length: 0"),
    "two lengths in one": post(SMUGGLED, f"Content-Length: 0, {len(SMUGGLED)}", length=False),
    "space before the colon": post(SMUGGLED, f"Content-Length : {len(SMUGGLED)}", length=False),
    "tab before the colon": post(SMUGGLED, "Transfer-Encoding\t: chunked"),
    "folded line": post(SMUGGLED, "X-A: b", " Content-Length: 0"),
    "folded chunked": post(b"0\r\n\r\n" + SMUGGLED, "Transfer-Encoding:", " chunked"),
    "digits of another script": post(SMUGGLED, "Content-Length: \u0660", length=False),
    "signed length": post(SMUGGLED, "Content-Length: +0", length=False),
    "hexadecimal length": post(SMUGGLED, "Content-Length: 0x0", length=False),
    "underscored length": post(SMUGGLED, "Content-Length: 0_0", length=False),
    "endless length": post(SMUGGLED, "Content-Length: " + "9" * 400, length=False),
    "empty length": post(SMUGGLED, "Content-Length:", length=False),
    "another coding": post(SMUGGLED, "Transfer-Encoding: gzip, chunked", length=False),
    "chunked twice": post(SMUGGLED, CHUNKED, CHUNKED, length=False),
    "xchunked": post(SMUGGLED, "Transfer-Encoding: xchunked", length=False),
    "chunked in a lone CR": post(SMUGGLED, "X: y\rTransfer-Encoding: chunked"),
    "lone LF": post(SMUGGLED, "X: y\nTransfer-Encoding: chunked"),
    "NUL in a field": post(SMUGGLED, "X: \0"),
    "two hosts": post(HELLO, "Host: other"),
    "no field name": post(HELLO, ": x"),
    "field without a colon": post(HELLO, "Nonsense"),
    "chunk size with 0x": post(chunked(HELLO, size=b"0x%x" % len(HELLO)), CHUNKED, length=False),
    "chunk size with a space": post(chunked(HELLO, size=b" %x" % len(HELLO)), CHUNKED, length=False),
    "negative chunk": post(chunked(HELLO, size=b"-1"), CHUNKED, length=False),
    "endless chunk size": post(chunked(HELLO, size=b"f" * 40), CHUNKED, length=False),
    "chunk without its end": post(chunked(HELLO, end=b"XX"), CHUNKED, length=False),
    "trailer without a colon": post(trailed(b"X y\r\n"), CHUNKED, length=False),
    "trailer with a space": post(trailed(b"X : y\r\n"), CHUNKED, length=False),
    "folded trailer": post(trailed(b"X: y\r\n z\r\n"), CHUNKED, length=False),
    "trailer with a lone LF": post(trailed(b"X: y\nGET /smuggled HTTP/1.1\r\n"), CHUNKED, length=False),
    "a request as a trailer": post(trailed(SMUGGLED), CHUNKED, length=False),
    "endless trailers": post(trailed(b"X: y\r\n" * 10_000), CHUNKED, length=False),
    "chunked to HTTP/1.0": post(chunked(HELLO), CHUNKED, length=False, version="1.0"),
    "three empty lines": b"\r\n" * 3 + post(),
}


@pytest.mark.parametrize("shape", SMUGGLING)
def test_no_second_request_hides_in_a_first(shape: str, server: Server) -> None:
    """The answer is one refusal and the end of the connection: nothing after it is read as a request."""
    assert exchange(server, SMUGGLING[shape] + SMUGGLED) == [400]


def by_bytes(message: bytes, start: int) -> list[bytes]:
    """What stands before a place, and then byte by byte."""
    return [message[:start], *(bytes([byte]) for byte in message[start:])]


def test_honest_chunks_are_read(server: Server) -> None:
    body = post(chunked(HELLO), CHUNKED, length=False)
    assert exchange(server, body) == [200]
    assert exchange(server, *by_bytes(body, body.index(b"\r\n\r\n"))) == [200]
    assert exchange(server, post(chunked(HELLO, size=b"%X;a=b" % len(HELLO)), CHUNKED, length=False)) == [200]


@pytest.mark.parametrize("value", ["Chunked", "CHUNKED", "chunked ", "\tchunked"])
def test_the_name_of_a_coding_has_no_case(value: str, server: Server) -> None:
    request = post(chunked(HELLO), f"Transfer-Encoding: {value}", length=False)
    assert exchange(server, request + GET) == [200, 200]


def test_trailers_are_skipped(server: Server) -> None:
    request = post(trailed(b'X-Checksum: 1\r\nServer-Timing: a;b="c"\r\n'), CHUNKED, length=False)
    assert exchange(server, request + GET) == [200, 200]
    assert exchange(server, *by_bytes(request, request.index(b"X-Checksum")), GET) == [200, 200]


def test_an_empty_line_before_a_request_is_skipped(server: Server) -> None:
    """Clients of old send one after a body."""
    assert exchange(server, b"\r\n" + GET) == [200]
    assert exchange(server, b"\r\n", GET) == [200]
    assert exchange(server, post() + b"\r\n" + GET + b"\r\n") == [200, 200]
    with connected(server) as connection:
        for _ in range(3):
            connection.sendall(post())
            assert statuses(connection.recv(65536)) == [200]
            connection.sendall(b"\r\n")


@pytest.mark.parametrize(
    "path",
    ["/v1//models", "//v1/models", "/v1/v1/models", "//v1//v1//models?a=//", "/v1/v1/v1/models", "//models"],
)
def test_a_slip_in_a_base_url_does_no_harm(path: str, server: Server) -> None:
    assert exchange(server, f"GET {path} HTTP/1.1\r\nHost: pi\r\n\r\n".encode()) == [200]


@pytest.mark.parametrize("form", ["http://pi", "HTTPS://pi:443", "http://user:word@pi", "http://[::1]:80"])
def test_a_target_may_be_a_whole_link(form: str, server: Server) -> None:
    """As proxies write it (RFC 9112, 3.2.2); its host is the one that counts."""
    assert exchange(server, f"GET {form}//v1/models HTTP/1.1\r\nHost: pi\r\n\r\n".encode()) == [200]
    for rest in ("", "?a=/", "/"):
        assert exchange(server, f"GET {form}{rest} HTTP/1.1\r\nHost: pi\r\n\r\n".encode()) == [200]
    elsewhere = b"GET http://elsewhere.example.com/v1/models HTTP/1.1\r\nHost: pi\r\n\r\n"
    assert exchange(server, elsewhere) == [403]


def test_http_1_0_gets_no_chunks(server: Server) -> None:
    body = json.dumps({**json.loads(HELLO), "stream": True}).encode()
    with connected(server) as connection:
        connection.sendall(post(body, "Connection: keep-alive", version="1.0"))
        head, _, stream = drain(connection).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"\r\nconnection: close" in head.lower()
    assert stream.startswith(b"data: {")
    assert stream.endswith(b"data: [DONE]\n\n")
    with connected(server) as connection:
        connection.sendall(post(version="1.0"))
        answer = drain(connection)
    assert statuses(answer) == [200]
    assert b"content-length" in answer.lower()


EXPECTS = "Expect: 100-continue"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (post(b"", EXPECTS, "Content-Length: 90000000", length=False), 413),
        (post(b"", EXPECTS, "Content-Length: 2", "Content-Encoding: br", length=False), 415),
        (post(b"", EXPECTS, CHUNKED, "Content-Encoding: br", length=False), 415),
        (b"POST /nothing HTTP/1.1\r\nHost: pi\r\n%b\r\nContent-Length: 2\r\n\r\n" % EXPECTS.encode(), 404),
        (b"POST /health HTTP/1.1\r\nHost: pi\r\n%b\r\nContent-Length: 2\r\n\r\n" % EXPECTS.encode(), 405),
    ],
    ids=["too large", "other coding", "other coding, chunked", "no route", "other method"],
)
def test_who_asks_before_sending_is_refused_at_once(head: bytes, status: int, server: Server) -> None:
    """RFC 9110, 10.1.1: a final status instead of 100; no body follows then, so the connection ends."""
    with connected(server) as connection:
        connection.sendall(head)
        answer = connection.recv(65536)
    assert statuses(answer) == [status]
    assert b"\r\nconnection: close\r\n" in answer.lower()


def test_who_asks_before_sending_is_told_to_go_on(server: Server) -> None:
    for head, body in (
        (post(b"", EXPECTS, f"Content-Length: {len(HELLO)}", length=False), HELLO),
        (post(b"", EXPECTS, CHUNKED, length=False), chunked(HELLO)),
    ):
        with connected(server) as connection:
            connection.sendall(head)
            assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body + GET)
            assert statuses(drain(connection, idle=0.5)) == [200, 200]
    # HTTP/1.0 knows no such answer.
    assert exchange(server, post(HELLO, EXPECTS, version="1.0")) == [200]


def compressed(body: bytes = HELLO, coding: str = "gzip", *fields: str) -> bytes:
    return post(gzip.compress(body), f"Content-Encoding: {coding}", *fields)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
def test_a_compressed_body_is_read(coding: str, server: Server) -> None:
    assert exchange(server, compressed(coding=coding) + GET) == [200, 200]
    assert exchange(server, post(HELLO, "Content-Encoding: identity")) == [200]
    request = post(chunked(gzip.compress(HELLO)), CHUNKED, f"Content-Encoding: {coding}", length=False)
    assert exchange(server, request) == [200]


def test_a_compressed_body_may_have_several_members(server: Server) -> None:
    """RFC 1952, 2.2: their texts are one text."""
    packed = b"".join([gzip.compress(HELLO[:10]), gzip.compress(b""), gzip.compress(HELLO[10:])])
    request = post(packed, "Content-Encoding: gzip")
    assert exchange(server, request + GET) == [200, 200]
    assert exchange(server, *by_bytes(request, request.index(b"\r\n\r\n"))) == [200]


@pytest.mark.parametrize(
    "coding", ["br", "zstd", "deflate", "gzip, gzip", "gzip, br", "gzip\r\nContent-Encoding: br"]
)
def test_other_codings_are_told_to_be_unsupported(coding: str, server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(compressed(coding=coding))
        answer = connection.recv(65536)
    assert statuses(answer) == [415]
    assert b"expected gzip or none" in answer
    assert b"accept-encoding: gzip" in answer.lower()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HELLO,
        gzip.compress(HELLO)[:-4],
        gzip.compress(HELLO) + b"x",
        gzip.compress(HELLO)[:-8] + bytes(8),
        gzip.compress(HELLO) + gzip.compress(b" ")[:-1],
        gzip.compress(HELLO) + gzip.compress(b"") * 2000,
    ],
    ids=["empty", "plain", "cut", "longer", "wrong sum", "cut member", "too many members"],
)
def test_a_body_that_is_no_gzip_is_refused(body: bytes, server: Server) -> None:
    assert exchange(server, post(body, "Content-Encoding: gzip") + GET) == [400, 200]


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    wrong = b"GET /nothing HTTP/1.1\r\nHost: pi\r\n\r\n"
    assert exchange(server, GET + wrong + post() + GET) == [200, 404, 200, 200]
    assert exchange(server, GET * 300) == [200] * 300


def test_a_flood_of_headers_is_refused(server: Server) -> None:
    for fields in (["X: y"] * 5000, ["A: " + "b" * 100_000], [f"X{n}: {n}" for n in range(3000)]):
        assert exchange(server, post(HELLO, *fields)) in ([413], [])
    endless = [b"GET /health HTTP/1.1\r\n", *[b"X: " + b"y" * 60_000] * 50]
    assert exchange(server, *endless) in ([413], [])
    assert exchange(server, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n") in ([413], [])


@pytest.mark.parametrize(
    "head",
    [
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%zz%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://elsewhere/health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET x://elsewhere HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /assets/..%2f..%2fapp.py HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /assets/%2e%2e/openapi.py HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"TRACE /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\nX-Request-Id: \xc3\x28\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        post(HELLO, "Expect: 200-ok"),
        post(HELLO, "Content-Encoding: gzip"),
        b"get /health HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=range(19),
)
def test_odd_heads_are_answered_and_never_with_a_fault(head: bytes, server: Server) -> None:
    assert all(200 <= status < 500 for status in exchange(server, head))
    assert "Traceback" not in server.log()
    with connected(server) as connection:
        connection.sendall(head)
        assert b"root:" not in drain(connection, idle=0.5)


def test_no_key_no_body(make_server: MakeServer) -> None:
    """Who may not ask can't make the service read, hold and parse tens of megabytes first."""
    server = make_server()
    keys = server.directory / "keys"
    keys.write_text("right\n")
    server.configure({"auth": {"keys_file": str(keys)}})
    server.start()
    with connected(server) as connection:
        wrong = ("Content-Length: 30000000", "Authorization: Bearer wrong")
        connection.sendall(post(b"", *wrong, length=False))
        assert statuses(connection.recv(65536)) == [401]
    with connected(server) as connection:
        connection.sendall(post(b"", *wrong, EXPECTS, length=False))
        assert statuses(connection.recv(65536)) == [401]
    assert exchange(server, post(HELLO, "Authorization: Bearer right")) == [200]
    assert exchange(server, post(HELLO)) == [401]
    with connected(server) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert statuses(connection.recv(65536)) == [200]


def test_https_to_a_service_without_a_certificate_fails_at_once(server: Server) -> None:
    """It waited ten seconds for the end of a line."""
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection,
        pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"),
    ):
        context.wrap_socket(connection, server_hostname="pi")
    assert "Traceback" not in server.log()
