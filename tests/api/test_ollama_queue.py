"""Ollama's API while the NPU takes its time: signs of life, unloading, failures."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.ollama import error_of, lines
from support.server import MODEL, Server
from support.slow import COMPLETE, LONG, SLOW, begun, client_of, generations, leave, until

CHAT: dict[str, Any] = {"model": MODEL, "messages": [LONG], "options": {"temperature": 0}}
GENERATE: dict[str, Any] = {"model": MODEL, "prompt": LONG["content"], "options": {"temperature": 0}}
BOTH = [("/api/chat", CHAT), ("/api/generate", GENERATE)]


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_signs_of_life_are_chunks_and_never_empty_lines(
    path: str, body: dict[str, Any], slow: Server
) -> None:
    short = {**body, "options": {"num_predict": 2}}
    async with client_of(slow) as client:
        first = asyncio.create_task(client.post("/v1/chat/completions", json={**CHAT, "max_tokens": 200}))
        await until(lambda: begun(slow) == 1)
        async with client.stream("POST", path, json=short) as response:
            found = [line async for line in response.aiter_lines()]
        first.cancel()
    chunks = [json.loads(line) for line in found]
    texts = [chunk["message"]["content"] if "message" in chunk else chunk["response"] for chunk in chunks]
    assert texts[0] == ""
    assert "".join(texts)
    assert [chunk["done"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["load_duration"] < chunks[-1]["total_duration"] / 2  # waiting in the queue is no load
    assert chunks[-1]["total_duration"] > chunks[-1]["prompt_eval_duration"] + chunks[-1]["eval_duration"]


async def test_unloading_waits_for_the_running_answer(make_server: Callable[..., Server]) -> None:
    server = make_server(emulator=SLOW).start()
    async with client_of(server) as client:
        asked = asyncio.create_task(client.post("/api/chat", json={**CHAT, "options": {"num_predict": 20}}))
        await until(lambda: begun(server) == 1)
        loaded = (await client.post("/api/generate", json={"model": MODEL})).json()
        assert (loaded["done_reason"], asked.done()) == ("load", False)  # it is: nobody waits for the answer
        unload = {"model": MODEL, "keep_alive": 0}
        assert (await client.post("/api/generate", json=unload)).json()["done_reason"] == "unload"
        assert lines(await asked)[-1]["eval_count"] == 20
        assert (await client.post("/api/generate", json=unload)).json()["done_reason"] == "unload"
        await until(lambda: server.health()["state"] == "unloaded")
    assert generations(server) == COMPLETE


async def test_who_asks_while_the_model_loads(make_server: Callable[..., Server]) -> None:
    server = make_server(emulator=SLOW).start()
    async with client_of(server) as client:

        async def unload() -> None:
            await client.post("/api/generate", json={"model": MODEL, "keep_alive": 0})
            await until(lambda: server.health()["state"] == "unloaded")

        await unload()
        asked = asyncio.create_task(client.post("/api/chat", json={**CHAT, "options": {"num_predict": 20}}))
        await until(lambda: server.health()["state"] == "loading")
        # Who asks for no more than the load waits for no more, though others are answered then.
        loaded = await client.post("/api/generate", json={"model": MODEL})
        assert loaded.json()["done_reason"] == "load"
        assert not asked.done()
        await asked
        # Who can't wait for the load asks again: by then the model must not be unloaded once more.
        await unload()
        await leave(client, "/api/chat", CHAT, lambda: server.health()["state"] == "loading")
        await until(lambda: server.health()["loads"] == 3)
        (running,) = (await client.get("/api/ps")).json()["models"]
        assert datetime.fromisoformat(running["expires_at"]) > datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(("path", "body"), BOTH)
def test_a_failure_after_the_first_word_is_the_last_line(
    path: str, body: dict[str, Any], make_server: Callable[..., Server]
) -> None:
    server = make_server(faults={"crash_after_tokens": 3, "times": {"crash_after_tokens": 1}}).start()
    chunks = lines(server.http.post(path, json=body))
    assert [chunk.get("done") for chunk in chunks[:-1]] == [False] * (len(chunks) - 1)
    assert list(chunks[-1]) == ["error"]
    assert "not available" in chunks[-1]["error"]
    server.wait_for(lambda: server.health()["state"] == "ready")
    whole = server.http.post(path, json={**body, "stream": False})
    assert whole.status_code == 200


def test_the_deadline(make_server: Callable[..., Server]) -> None:
    server = make_server(config={"server": {"request_timeout": 0.5}}, emulator=SLOW).start()
    late = server.http.post("/api/chat", json={**CHAT, "stream": False})
    assert late.status_code == 504
    assert "0.5 s" in error_of(late)


def test_without_a_model_file(make_server: Callable[..., Server]) -> None:
    server = make_server(hef=False)
    server.start(wait=False)
    (model,) = server.http.get("/api/tags").json()["models"]
    assert (model["size"], len(model["digest"])) == (0, 64)
    server.wait_for(lambda: server.health()["state"] == "failed")
    refused = server.http.post("/api/chat", json=CHAT)
    assert refused.status_code == 503
    assert "not available" in error_of(refused)
