"""Bodies that are JSON and mean harm: numbers out of every range, endless text, odd nesting.

What is asked of each: a 200 or a 400, never a new NPU process, and the next request is answered.
"""

import json
from typing import Any

import pytest
from support.pictures import data_uri, plain
from support.server import MODEL, Server

HELLO = {"role": "user", "content": "Hi"}
TINY = '{"model": "%s", "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}], %s}'


def unharmed(server: Server, loads: int) -> None:
    assert server.answer(HELLO, max_tokens=2) is not None
    assert server.health()["loads"] == loads
    assert not [entry for entry in server.journal() if entry["event"] in ("rejected", "generation_failed")]


@pytest.mark.parametrize(
    "field",
    [
        '"max_tokens": 1' + "0" * 26,
        '"max_completion_tokens": 9223372036854775807',
        '"max_tokens": 18446744073709551616',
        '"max_tokens": 1' + "0" * 5000,
        '"max_tokens": -1' + "0" * 26,
        '"temperature": 5e-324',
        '"temperature": 1e-46',
        '"temperature": 1e-10',
        '"temperature": -0.0',
        '"temperature": 1e400',
        '"temperature": NaN',
        '"temperature": Infinity',
        '"top_p": 5e-324',
        '"top_p": 1e-46',
        '"repetition_penalty": 1e-320',
        '"repetition_penalty": 1e-40',
        '"seed": 1e400',
        '"seed": -9223372036854775809',
        '"top_k": 1e5',
        '"keep_alive": 1e308',
        '"keep_alive": "9999999999999999999h"',
        '"keep_alive": "' + "1h" * 100_000 + '"',
        '"logit_bias": {"1": 1e400}',
        '"stop": "' + "x" * 1_000_000 + '"',
        '"stop": ["\\ud800"]',
        '"n": 1' + "0" * 400,
        '"max_tokens": 1, "max_tokens": "x"',
        '"messages": []',
        '"metadata": ' + '{"a":' * 900 + "1" + "}" * 900,
        '"tool_choice": ' + "[" * 100_000,
        '"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": '
        + '{"properties": {"a": ' * 400
        + "{}"
        + "}}" * 400
        + "}}",
    ],
    ids=lambda field: field[:40],
)
def test_one_field_out_of_every_range(field: str, server: Server) -> None:
    loads = server.health()["loads"]
    for stream in ("true", "false"):
        body = TINY % (MODEL, f'"stream": {stream}, {field}')
        response = server.http.post("/v1/chat/completions", content=body)
        assert response.status_code in (200, 400), response.text[:300]
        assert response.status_code == 200 or len(response.content) < 1000
    unharmed(server, loads)


def parts(count: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "a"}] * count}]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "x y " * 150_000}],
        [{"role": "user", "content": "x y " * 2_300_000}],
        [{"role": "user", "content": "<|im_start|>" * 800_000}],
        [{"role": "user", "content": "\U0001f408" * 500_000}],
        [{"role": "system", "content": "z" * 9_000_000}, HELLO],
        [HELLO] * 4000,
        parts(4000),
    ],
    ids=["600 kB", "9 MB", "control tokens", "wide", "system", "messages", "parts"],
)
def test_a_text_too_long_for_the_context_never_reaches_the_npu(
    messages: list[dict[str, Any]], server: Server
) -> None:
    """A text of more than 8 MB once ended the NPU process, and eight of them the service."""
    loads = server.health()["loads"]
    response = server.chat(*messages)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    unharmed(server, loads)


def test_a_batch_of_very_many_images_is_refused(server: Server) -> None:
    body = {"images": [data_uri(plain("red"))] * 10_000, "prompt": "?"}
    response = server.http.post("/v1/vision/analyze", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "too_many_images")
    for field in ("prompt", "system"):
        body = {"images": [data_uri(plain("red"))], "prompt": "?", field: "x y " * 2_300_000}
        response = server.http.post("/v1/vision/analyze", json=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "context_length_exceeded")
    unharmed(server, server.health()["loads"])


# Free-form JSON becomes Python's objects: 7 MB of it held the event loop for half a second.
MANY = "[" + "[]," * 300_000 + "[]]"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/chat/completions", '"tools": %s', "'tools'"),
        ("/v1/chat/completions", '"format": %s', "'format'"),
        ("/v1/chat/completions", '"logit_bias": {"1": %s}', "'logit_bias'"),
        (
            "/v1/chat/completions",
            '"response_format": {"type": "json_schema", "json_schema": {"schema": {"enum": %s}}}',
            "'response_format'",
        ),
        ("/v1/vision/analyze", '"messages": %s', "'messages'"),
        ("/v1/responses", '"text": {"format": {"enum": %s}}', "'text'"),
        ("/v1/responses", '"input": [{"content": %s}]', "'input'"),
        ("/api/chat", '"format": {"enum": %s}', "'format'"),
        ("/api/generate", '"input": %s', "'input'"),
        ("/api/show", '"model": %s', "'model'"),
        ("/api/show", '"none of its fields": %s', "body"),
    ],
)
def test_a_field_of_very_many_values_is_refused_unread(
    path: str, body: str, field: str, server: Server
) -> None:
    response = server.http.post(path, content="{" + body % MANY + "}")
    assert (response.status_code, len(response.content) < 1000) == (400, True), response.text[:300]
    assert f"Invalid {field}: expected at most 200000 commas and brackets, got 60000" in response.text


def test_the_last_of_two_equal_keys_counts(server: Server) -> None:
    """As in JavaScript and Python, for every key: nothing is checked of one and used of another."""
    body = json.dumps({"model": MODEL, "messages": [HELLO], "max_tokens": 2})
    refused = server.http.post("/v1/chat/completions", content=body[:-1] + ', "model": "other"}')
    assert refused.status_code == 404
    taken = server.http.post("/v1/chat/completions", content='{"model": "other", ' + body[1:])
    assert taken.status_code == 200
