"""What can be wrong with a request, case by case; never a 500, never an echo of the payload."""

import json
import socket
from typing import Any

import httpx
import pytest
from support.openai_schema import ERROR, check
from support.pictures import data_uri, plain
from support.server import MODEL, Server

from hailo_vision.http.errors import failure_of

HELLO = {"role": "user", "content": "Hi"}
BODY = {"model": MODEL, "messages": [HELLO]}


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    check(response.json(), ERROR)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    error: dict[str, Any] = response.json()["error"]
    assert len(error["message"]) < 500
    return error


def post(server: Server, content: bytes | str, **headers: str) -> httpx.Response:
    return server.http.post("/v1/chat/completions", content=content, headers=headers)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"model": }',
        b'{"model": "x",}',
        b"{'model': 'x'}",
        json.dumps(BODY).encode() + b" trailing",
        b"\xff\xfe",
        b'{"model": "\xff"}',
        b'{"a":' * 100_000,
        b"\x00",
        b"model=x&messages=y",
    ],
)
def test_what_is_no_json(content: bytes, server: Server) -> None:
    assert error_of(post(server, content), 400)["code"] == "invalid_json"


@pytest.mark.parametrize(
    "rest", [b'"x": ' + b"[" * 100_000, b'"\xff": 1}', b'"x": "\\ud83d", "\\ud83d": 1}', b""]
)
@pytest.mark.parametrize(
    ("route", "begin"),
    [("chat/completions", b'{"messages": [{"role": "user"}], '), ("vision/analyze", b'{"images": [{}], ')],
)
def test_what_is_no_json_behind_a_field_that_is_missing(
    route: str, begin: bytes, rest: bytes, server: Server
) -> None:
    error_of(server.http.post(f"/v1/{route}", content=begin + rest), 400)


@pytest.mark.parametrize("content", ["[]", "null", "5", '"text"', "true", "[[[[[]]]]]", "[" * 100_000])
def test_what_is_no_object(content: str, server: Server) -> None:
    error = error_of(post(server, content), 400)
    assert error["type"] == "invalid_request_error"
    assert error["param"] is None


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=utf-8",
        "",
    ],
)
def test_any_content_type_will_do_if_it_is_json(content_type: str, server: Server) -> None:
    response = post(server, json.dumps(BODY), **{"content-type": content_type})
    assert response.status_code == 200


def test_what_is_not_meant_for_a_client_is_not_told() -> None:
    failure = failure_of(RuntimeError("a secret"))
    assert (failure.status, failure.code, "secret" in failure.message) == (500, "internal_error", False)


def test_lone_surrogates_and_duplicate_keys(server: Server) -> None:
    body = json.dumps(BODY)
    assert post(server, body.replace("Hi", r"a \ud83d b")).status_code in (200, 400)
    assert post(server, body.replace("{", '{"model": "x", ', 1)).status_code == 200


def test_deep_nesting_in_ignored_fields(server: Server) -> None:
    deep = "[" * 5000 + "]" * 5000
    body = json.dumps(BODY)[:-1] + f', "metadata": {deep}}}'
    assert post(server, body).status_code in (200, 400)


def test_an_unknown_model(server: Server) -> None:
    error = error_of(server.chat(HELLO, model="gpt-4o"), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert MODEL in error["message"]
    assert error_of(server.http.get("/v1/models/gpt-4o"), 404)["code"] == "model_not_found"
    error_of(server.http.post("/v1/vision/analyze", json={"model": "x", "images": ["a"], "prompt": "b"}), 404)


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (b"not an image", "invalid_image"),
        (b"", "invalid_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_image_format"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_image_format"),
        (b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heic" + bytes(100), "invalid_image"),
        (b"II*\x00" + bytes(100), "unsupported_image_format"),
        (b"%PDF-1.7 " + bytes(100), "unsupported_image_format"),
        (plain("red")[:60], "invalid_image"),
        (plain("red", image_format="JPEG")[:200], "invalid_image"),
        (plain("red", image_format="GIF")[:10], "invalid_image"),
    ],
)
def test_a_bad_picture_names_its_part_and_is_not_echoed(picture: bytes, code: str, server: Server) -> None:
    parts = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": data_uri(picture)}}]
    for stream in (False, True):
        response = server.chat({"role": "user", "content": parts}, stream=stream)
        error = error_of(response, 400)
        assert (error["code"], error["param"]) == (code, "messages[0].content[1].image_url.url")
        assert "base64," not in response.text
        assert "0x" not in response.text


def test_long_values_are_not_echoed(server: Server) -> None:
    secret = "s3cret" * 10_000
    for body in (
        {**BODY, "model": secret},
        {**BODY, "messages": [{"role": secret, "content": "x"}]},
        {**BODY, "messages": [{"role": "user", "content": [{"type": secret}]}]},
        {**BODY, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": secret}]}]},
        {**BODY, "response_format": {"type": secret}},
        {**BODY, "keep_alive": secret},
        {**BODY, "tool_choice": secret},
        {**BODY, "stop": [secret] * 5},
    ):
        response = post(server, json.dumps(body))
        assert 400 <= response.status_code < 500
        assert len(response.content) < 700


def test_a_body_that_is_too_large_is_refused_before_it_is_read(make_server: Any) -> None:
    server = make_server(config={"server": {"max_body_bytes": 100_000}}).start()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n{"
        )
        answer = connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 413")
    assert '"code":"request_too_large"' in answer
    # Most clients look for the answer only after they have sent all.
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + bytes(40_000_000))
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
    chunks = (b"x" * 10_000 for _ in range(20))
    with httpx.Client() as client:
        response = client.post(f"{server.api}/chat/completions", content=chunks)
    assert response.status_code == 413
    assert server.answer(HELLO)


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_unknown_routes_and_methods(prefix: str, server: Server) -> None:
    http = server.http
    assert error_of(http.get(f"{prefix}/nothing"), 404)["code"] == "not_found"
    assert error_of(http.post(f"{prefix}/embeddings", json={}), 404)["code"] == "not_found"
    response = http.get(f"{prefix}/chat/completions")
    assert error_of(response, 405)["code"] == "method_not_allowed"
    assert response.headers["allow"] == "POST"
    response = http.delete(f"{prefix}/models")
    assert error_of(response, 405)["message"].endswith("it takes GET, HEAD.")
    assert response.headers["allow"] == "GET, HEAD"
    error_of(http.put(f"{prefix}/vision/analyze", json={}), 405)


def test_request_ids_come_back(server: Server) -> None:
    given = server.http.get("/v1/models", headers={"x-request-id": "my-id.1"})
    assert given.headers["x-request-id"] == "my-id.1"
    for bad in (b"a b", b"x" * 200, "ü".encode(), b"\x7f"):
        response = server.http.get("/v1/models", headers={b"x-request-id": bad})
        assert len(response.headers["x-request-id"]) == 32
    stream = server.http.post(
        "/v1/chat/completions", json={**BODY, "stream": True}, headers={"x-request-id": "s"}
    )
    assert stream.headers["x-request-id"] == "s"


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_a_4xx_or_a_closed_connection(raw: bytes, server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501", b"HTTP/1.1 505")), answer[:200]
    assert "Traceback" not in server.log()
    assert server.answer(HELLO)


@pytest.mark.parametrize("name", [MODEL.upper(), f"{MODEL}:latest", f"{MODEL.title()}:LATEST"])
def test_a_models_name_in_other_forms(name: str, server: Server) -> None:
    assert post(server, json.dumps({**BODY, "model": name})).status_code == 200
    assert server.http.get(f"/v1/models/{name}").status_code == 200


def test_a_providers_prefix_is_named(server: Server) -> None:
    error = error_of(post(server, json.dumps({**BODY, "model": f"openai/{MODEL}"})), 404)
    assert "Leave 'openai/' out" in error["message"]


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\\\\\ud83d", "\\ud83dx\\ude00"])
def test_half_a_surrogate_pair_is_a_character_that_is_lost(half: str, server: Server) -> None:
    """JavaScript makes them by cutting strings; JSON's grammar allows them."""
    text = json.dumps(BODY)[:-1] + f', "user": "{half}", "stop": "{half}"}}'
    assert post(server, text.encode()).status_code == 200


def test_whole_surrogate_pairs_stay_beside_half_ones(server: Server) -> None:
    message = '{"role": "user", "content": "\\ud83d\\ude00 \\\\ud83d \\ud83d"}'
    assert post(server, f'{{"model": "{MODEL}", "messages": [{message}]}}'.encode()).status_code == 200
    prompt = [entry for entry in server.journal() if entry["event"] == "generate"][-1]["prompt"]
    assert "\U0001f600 \\ud83d \ufffd" in prompt


def test_a_byte_order_mark_is_skipped(server: Server) -> None:
    assert post(server, b"\xef\xbb\xbf" + json.dumps(BODY).encode()).status_code == 200
