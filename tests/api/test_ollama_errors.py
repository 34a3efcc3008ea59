"""What can be wrong with a request to Ollama's routes: one sentence that says where and what was expected."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.ollama import error_of, picture
from support.pictures import data_uri, plain
from support.server import MODEL, Server

MakeServer = Callable[..., Server]
HELLO = {"role": "user", "content": "Hi"}
COLOUR = {"role": "user", "content": "Which colour is this?", "images": [picture(plain("red"))]}
ASK: dict[str, Any] = {"model": MODEL, "stream": False}


def said(*messages: Any) -> dict[str, Any]:
    return {**ASK, "messages": messages}


OF_CHAT = {**ASK, "messages": [HELLO]}
OF_GENERATE = {**ASK, "prompt": "Hi"}
OPENAI_MESSAGE = {
    "role": "user",
    "content": [
        {"type": "text", "text": "?"},
        {"type": "image_url", "image_url": {"url": data_uri(plain("red"), "image/png")}},
    ],
}


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("chat", {"messages": [HELLO]}, 400, ["'model'"]),
        ("chat", {**OF_CHAT, "model": "llava"}, 404, ["model 'llava' not found", MODEL]),
        ("chat", {**OF_CHAT, "model": 5}, 400, ["'model'", "str"]),
        ("chat", {**OF_CHAT, "messages": "Hi"}, 400, ["'messages'", "array"]),
        ("chat", said({"role": "robot", "content": "x"}), 400, ["messages[0].role", "tool"]),
        ("chat", said({"content": "x"}), 400, ["messages[0].role"]),
        ("chat", said(OPENAI_MESSAGE), 400, ["messages[0].content", "/v1/chat"]),
        ("chat", said({**HELLO, "images": "x"}), 400, ["messages[0].images", "array"]),
        ("chat", said({**HELLO, "images": [{"type": "Buffer"}]}), 400, ["messages[0].images[0]"]),
        ("chat", said(HELLO, {**HELLO, "images": ["not base64!"]}), 400, ["messages[1].images[0]"]),
        ("chat", said({**HELLO, "image_url": "x"}), 400, ["messages[0].image_url", "images"]),
        ("chat", said({**COLOUR, "role": "assistant"}), 400, ["messages[0].images"]),
        ("chat", {**OF_CHAT, "images": ["x"]}, 400, ["'images'", "messages[].images"]),
        ("chat", {**OF_CHAT, "image_data": "x"}, 400, ["'image_data'", "'images'"]),
        ("chat", OF_GENERATE, 400, ["'prompt'", "/api/generate"]),
        ("chat", {**OF_CHAT, "format": "yaml"}, 400, ["'format'", "yaml"]),
        ("chat", {**OF_CHAT, "format": {"type": "banana"}}, 400, ["format"]),
        ("chat", {**OF_CHAT, "format": 5}, 400, ["'format'"]),
        ("chat", {**OF_CHAT, "format": {"type": "json_schema"}}, 400, ["format.schema"]),
        ("chat", {**OF_CHAT, "format": {"type": "json_schema", "json_schema": 5}}, 400, ["json_schema"]),
        ("chat", {**OF_CHAT, "response_format": {"type": "json_object"}}, 400, ["'response_format'"]),
        ("chat", {**OF_CHAT, "options": {"temperature": "hot"}}, 400, ["options.temperature", "float"]),
        ("chat", {**OF_CHAT, "options": {"num_predict": 5.5}}, 400, ["options.num_predict", "whole"]),
        ("chat", {**OF_CHAT, "options": {"stop": [5]}}, 400, ["options.stop"]),
        ("chat", {**OF_CHAT, "options": 5}, 400, ["'options'"]),
        ("chat", {**OF_CHAT, "stream": "yes"}, 400, ["'stream'"]),
        ("chat", {**OF_CHAT, "keep_alive": "soon"}, 400, ["'keep_alive'", "5m"]),
        ("chat", {**OF_CHAT, "keep_alive": "inf"}, 400, ["'keep_alive'"]),
        ("chat", {**OF_CHAT, "logprobs": True}, 400, ["logprobs"]),
        ("chat", said({"role": "user", "content": "word " * 3000}), 400, ["too long"]),
        ("chat", said(*[HELLO] * 5000), 400, ["'messages'", "4096"]),
        ("chat", said(*[{**HELLO, "images": [""] * 250}] * 20), 400, ["'messages'", "4096"]),
        ("chat", said({**HELLO, "images": [""] * 300}), 400, ["messages[0].images", "256"]),
        ("chat", {**OF_CHAT, "options": {"stop": ["x"] * 300}}, 400, ["options.stop", "256"]),
        ("chat", [], 400, ["object"]),
        ("generate", {**OF_GENERATE, "raw": True}, 400, ["raw"]),
        ("generate", {**OF_GENERATE, "suffix": "}"}, 400, ["does not support insert"]),
        ("generate", {**OF_GENERATE, "images": ["x" * 100]}, 400, ["images[0]"]),
        ("generate", {**OF_GENERATE, "image_url": "x"}, 400, ["'image_url'", "'images'"]),
        ("generate", OF_CHAT, 400, ["'messages'", "/api/chat"]),
        ("generate", {**OF_GENERATE, "prompt": ["Hi"]}, 400, ["'prompt'"]),
        ("show", {"model": "llava"}, 404, ["model 'llava' not found"]),
        ("show", {"model": "a\x1b[31m"}, 404, ["model 'a\\x1b[31m' not found"]),
        ("show", {}, 400, ["'model'"]),
        ("embed", {"model": MODEL, "input": "x"}, 400, ["embeddings"]),
        ("embeddings", {"model": MODEL, "prompt": "x"}, 400, ["embeddings"]),
        ("create", {"model": "x", "from": MODEL}, 404, ["deployment"]),
        ("copy", {"source": MODEL, "destination": "x"}, 404, ["deployment"]),
        ("push", {"model": MODEL}, 404, ["deployment"]),
        ("blobs/sha256:00", {}, 404, ["route"]),
        ("nothing", {}, 404, ["route"]),
    ],
)  # fmt: skip
def test_what_can_not_be_done_is_told_in_one_sentence(
    path: str, body: Any, status: int, words: list[str], server: Server
) -> None:
    response = server.http.post(f"/api/{path}", json=body)
    assert response.status_code == status, response.text
    error = error_of(response)
    for word in words:
        assert word in error
    if isinstance(body, dict) and body.get("stream") is False:
        body = {key: value for key, value in body.items() if key != "stream"}
        assert server.http.post(f"/api/{path}", json=body).status_code == status, "streamed, too"


def test_more_errors_in_its_form(server: Server) -> None:
    assert error_of(server.http.post("/api/chat", content=b"{")).startswith("The body is not valid JSON")
    assert server.http.get("/api/chat").status_code == 405
    assert "POST" in error_of(server.http.get("/api/chat"))
    deleted = server.http.request("DELETE", "/api/delete", json={"model": MODEL})
    assert deleted.status_code == 404
    assert "deployment" in error_of(deleted)
    assert server.http.head("/api/blobs/sha256:00").status_code == 404


def test_long_values_are_not_echoed(server: Server) -> None:
    secret = "s3cret" * 10_000
    fields: list[dict[str, Any]] = [{name: secret} for name in ("model", "format", "keep_alive", "image")]
    bodies = [{**OF_CHAT, **change} for change in fields]
    for body in (*bodies, said({"role": secret}), said({**HELLO, "images": [secret]})):
        error_of(server.http.post("/api/chat", json=body))


def test_half_a_surrogate_pair_and_a_byte_order_mark(server: Server) -> None:
    content = json.dumps(OF_CHAT).replace("Hi", "cut \\ud83d")
    assert server.http.post("/api/chat", content=b"\xef\xbb\xbf" + content.encode()).status_code == 200


def test_json_mode_refused(make_server: MakeServer) -> None:
    server = make_server(config={"api": {"json_mode": "refuse"}}).start()
    for wanted in ("json", {"type": "object"}):
        refused = server.http.post("/api/chat", json={**OF_CHAT, "format": wanted})
        assert refused.status_code == 400
        assert "'format'" in error_of(refused)
