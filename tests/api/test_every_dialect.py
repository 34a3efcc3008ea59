"""The same mistakes and mishaps on each route that generates: told in its own form, and mended alike."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support.ollama import error_of, picture
from support.openai_schema import ERROR, check
from support.pictures import plain
from support.server import MODEL, Server
from support.slow import ABORTED, COMPLETE, LONG, begun, client_of, generations, idle, leave, until

RED = picture(plain("red"))


def chat(text: str, image: str) -> dict[str, Any]:
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": image}}]
    return {"messages": [{"role": "user", "content": parts}]}


def responses(text: str, image: str) -> dict[str, Any]:
    parts = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": image}]
    return {"input": [{"role": "user", "content": parts}]}


def ollama_chat(text: str, image: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text, "images": [image]}]}


def generate(text: str, image: str) -> dict[str, Any]:
    return {"prompt": text, "images": [image]}


# Each route: a body of its own, and where its picture stands.
ROUTES: dict[str, tuple[Callable[[str, str], dict[str, Any]], str]] = {
    "/v1/chat/completions": (chat, "messages[0].content[1].image_url.url"),
    "/v1/responses": (responses, "input[0].content[1].image_url"),
    "/api/chat": (ollama_chat, "messages[0].images[0]"),
    "/api/generate": (generate, "images[0]"),
}
TELLING = ("/api/version", "/api/tags", "/api/ps", "/v1/models")
every_route = pytest.mark.parametrize("path", ROUTES)
whole_or_streamed = pytest.mark.parametrize("stream", [False, True])


def body_of(path: str, text: str = "Which colour?", image: str = RED, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, **ROUTES[path][0](text, image), **fields}


def long_of(path: str, stream: bool) -> dict[str, Any]:
    return body_of(path, LONG["content"], stream=stream)


def told(response: httpx.Response, status: int) -> str:
    """What an error says, and of which field, in either form."""
    assert response.status_code == status, response.text
    if response.request.url.path.startswith("/api/"):
        return error_of(response)
    check(response.json(), ERROR)
    error = response.json()["error"]
    return f"{error['param']}: {error['message']}"


@every_route
@whole_or_streamed
@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "llava"}, 404, ["'llava'", MODEL]),
        ({"model": 5}, 400, ["model", "str"]),
        ({"model": None}, 400, ["Missing", "'model'"]),
        ({"stream": "yes"}, 400, ["stream", "bool"]),
        ({"keep_alive": "soon"}, 400, ["keep_alive", "5m"]),
    ],
)
def test_a_field_that_is_wrong(
    fields: dict[str, Any], status: int, words: list[str], stream: bool, path: str, server: Server
) -> None:
    said = told(server.http.post(path, json=body_of(path, **{"stream": stream, **fields})), status)
    for word in words:
        assert word in said


@every_route
@whole_or_streamed
@pytest.mark.parametrize("image", ["", "x", "no base64!", picture(b"text"), picture(plain("red")[:60])])
def test_a_picture_that_is_none(image: str, stream: bool, path: str, server: Server) -> None:
    said = told(server.http.post(path, json=body_of(path, image=image, stream=stream)), 400)
    assert ROUTES[path][1].removesuffix(".url") in said


@pytest.mark.parametrize(
    ("meant", "asked", "words"),
    [
        ("/v1/chat/completions", "/v1/responses", "/v1/chat/completions"),
        ("/v1/chat/completions", "/api/chat", "/v1/chat/completions"),
        ("/v1/chat/completions", "/api/generate", "/v1/chat/completions"),
        ("/v1/responses", "/v1/chat/completions", "/v1/responses"),
        ("/v1/responses", "/api/chat", "/v1/responses"),
        ("/v1/responses", "/api/generate", "/v1/responses"),
        ("/api/chat", "/v1/responses", "/api/chat"),
        ("/api/chat", "/api/generate", "/api/chat"),
        ("/api/generate", "/v1/chat/completions", "/api/generate"),
        ("/api/generate", "/v1/responses", "/api/generate"),
        ("/api/generate", "/api/chat", "/api/generate"),
    ],
)
def test_a_body_of_another_route_is_told_where_it_belongs(
    meant: str, asked: str, words: str, server: Server
) -> None:
    assert words in told(server.http.post(asked, json=body_of(meant)), 400)


def test_ollamas_messages_are_read_by_openais_chat(server: Server) -> None:
    response = server.http.post("/v1/chat/completions", json=body_of("/api/chat", temperature=0))
    assert "red" in response.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/chat/completions", "format"),
        ("/v1/chat/completions", "text"),
        ("/v1/chat/completions", "json_schema"),
        ("/v1/chat/completions", "guided_json"),
        ("/v1/chat/completions", "structured_outputs"),
        ("/v1/chat/completions", "grammar"),
        ("/v1/responses", "json_schema"),
        ("/v1/responses", "image_urls"),
        ("/v1/responses", "format"),
        ("/v1/responses", "response_format"),
        ("/v1/responses", "images"),
        ("/api/chat", "response_format"),
        ("/api/generate", "response_format"),
        ("/api/generate", "json_schema"),
        ("/api/chat", "image_urls"),
    ],
)
def test_another_dialects_schema_or_picture_is_never_passed_over(
    path: str, field: str, server: Server
) -> None:
    said = told(server.http.post(path, json={**body_of(path), field: {"type": "json_object"}}), 400)
    assert f"'{field}' is no field of this route" in said
    # Some clients write every field that they know.
    empty = {**body_of(path), "format": "", "json_schema": {}, "response_format": None, "image_urls": []}
    assert server.http.post(path, json=empty).status_code == 200


@every_route
@whole_or_streamed
async def test_a_client_that_leaves_stops_the_npu(stream: bool, path: str, slow: Server) -> None:
    async with client_of(slow) as client:
        await leave(client, path, long_of(path, stream), lambda: begun(slow) == 1)
    await until(lambda: generations(slow) == ABORTED)
    await until(idle(slow))
    assert f"route={path} status=499" in slow.log()


@every_route
async def test_a_client_that_leaves_the_queue_never_reaches_the_npu(path: str, slow: Server) -> None:
    short = body_of("/api/chat", options={"num_predict": 20})
    async with client_of(slow) as client:
        first = asyncio.create_task(client.post("/api/chat", json=short))
        await until(lambda: begun(slow) == 1)
        await leave(client, path, long_of(path, False), lambda: slow.health()["queue"]["waiting"] == 1)
        await until(lambda: slow.health()["queue"]["waiting"] == 0)
        assert (await first).status_code == 200
    await until(idle(slow))
    assert generations(slow) == COMPLETE


async def test_a_full_queue(slow: Server) -> None:
    async with client_of(slow) as client:
        running = [
            asyncio.create_task(client.post("/api/chat", json=long_of("/api/chat", stream=False)))
            for _ in range(3)
        ]
        await until(lambda: slow.health()["queue"]["waiting"] == 2)
        for path in ROUTES:
            for stream in (False, True):
                refused = await client.post(path, json=long_of(path, stream))
                assert "waiting" in told(refused, 429)
                assert int(refused.headers["retry-after"]) >= 1
        for path in TELLING:
            assert (await client.get(path)).status_code == 200
        for task in running:
            task.cancel()
    await until(idle(slow))


def test_what_answers_while_the_model_loads(make_server: Callable[..., Server]) -> None:
    server = make_server(faults={"load_hang": True}, config={"model": {"load_timeout": 60}})
    server.start(wait=False)
    for path in TELLING:
        started = time.monotonic()
        assert server.http.get(path).status_code == 200
        assert time.monotonic() - started < 5, "Home Assistant's patience"
    assert server.http.get("/api/ps").json() == {"models": []}
    assert server.http.post("/api/show", json={"model": MODEL}).json()["capabilities"]
    assert server.http.post("/api/pull", json={"model": MODEL, "stream": False}).status_code == 200
    asked = [(path, body_of(path)) for path in ROUTES]
    for path, body in (*asked, ("/api/generate", {"model": MODEL})):
        for stream in (False, True):
            loading = server.http.post(path, json={**body, "stream": stream})
            assert "loading" in told(loading, 503)
            assert int(loading.headers["retry-after"]) >= 1
