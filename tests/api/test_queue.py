"""The queue: order, bound, time limits; and clients that leave, in every state of their request."""

import asyncio
import json
import re
import socket
import statistics
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from openai import APITimeoutError, AsyncOpenAI
from support.events import parse
from support.openai_schema import CHUNK, ERROR, check
from support.pictures import data_uri, image_part, photo, user
from support.server import MODEL, Server
from support.slow import ABORTED, COMPLETE, LONG, SLOW, begun, client_of, generations, idle, leave, until

BODY: dict[str, Any] = {"model": MODEL, "messages": [LONG], "temperature": 0}
SHORT = {**BODY, "max_tokens": 2}


async def test_first_come_first_served(slow: Server) -> None:
    async with client_of(slow) as client:
        tasks = []
        for word in ("one", "two", "three"):
            body = {**SHORT, "messages": [{"role": "user", "content": f"Say {word}"}]}
            tasks.append(asyncio.create_task(client.post("/v1/chat/completions", json=body)))
            await asyncio.sleep(0.05)
        assert [response.status_code for response in await asyncio.gather(*tasks)] == [200] * 3
    prompts = [entry["prompt"] for entry in slow.journal() if entry["event"] == "generate"]
    assert [next(word for word in ("one", "two", "three") if f"Say {word}" in text) for text in prompts] == [
        "one",
        "two",
        "three",
    ]
    assert generations(slow) == COMPLETE * 3


async def test_a_full_queue_is_told_with_an_honest_time(slow: Server) -> None:
    async with client_of(slow) as client:
        running = [asyncio.create_task(client.post("/v1/chat/completions", json=BODY)) for _ in range(3)]
        await until(lambda: slow.health()["queue"]["waiting"] == 2)
        figures = slow.http.get("/metrics").text.splitlines()
        for figure in ("num_requests_running 1.0", "num_requests_waiting 2.0", "model_loaded 1.0"):
            assert f"hailo_vision_{figure}" in figures
        for stream in (False, True):
            refused = await client.post("/v1/chat/completions", json={**BODY, "stream": stream})
            assert refused.status_code == 429
            check(refused.json(), ERROR)
            assert refused.json()["error"]["code"] == "queue_full"
            assert refused.json()["error"]["type"] == "rate_limit_error"
            assert 1 <= int(refused.headers["retry-after"]) <= 60
        batch = await client.post("/v1/vision/analyze", json={"images": ["x"], "prompt": "?"})
        assert batch.status_code == 429
        for task in running:
            task.cancel()
    await until(idle(slow))


async def test_a_long_queue_does_not_make_the_service_unready(make_server: Callable[..., Server]) -> None:
    # By the first guess a second request would wait 5 s.
    server = make_server(config={"server": {"request_timeout": 4.0}}, emulator=SLOW).start()
    async with client_of(server) as client:
        running = asyncio.create_task(client.post("/v1/chat/completions", json=BODY))
        await until(lambda: begun(server) == 1)
        assert (await client.post("/v1/chat/completions", json=SHORT)).status_code == 429
        assert (await client.get("/health/ready")).status_code == 200
        running.cancel()
    await until(idle(server))


async def test_who_would_give_up_before_their_turn_is_told_at_once(slow: Server) -> None:
    async with client_of(slow) as client:
        running = [asyncio.create_task(client.post("/v1/chat/completions", json=BODY)) for _ in range(2)]
        await until(lambda: slow.health()["queue"]["waiting"] == 1)
        for patience, status in (("0.1", 429), ("600", 200), ("nan", 200), ("soon", 200), ("0", 200)):
            headers = {"x-stainless-read-timeout": patience}
            asked = asyncio.create_task(client.post("/v1/chat/completions", json=SHORT, headers=headers))
            await asyncio.sleep(0.1)
            assert asked.done() == (status == 429)
            if status == 429:
                assert (await asked).json()["error"]["code"] == "queue_full"
                assert int((await asked).headers["retry-after"]) >= 1
            asked.cancel()
            await until(lambda: slow.health()["queue"]["waiting"] == 1)
        for task in running:
            task.cancel()


async def test_signs_of_life_come_while_queued_and_are_chunks(slow: Server) -> None:
    """Comments re-arm no client's timer, and some SDKs choke on them (openai/openai-go, PR 621)."""
    async with client_of(slow) as client:
        first = asyncio.create_task(client.post("/v1/chat/completions", json=BODY))
        await until(lambda: begun(slow) == 1)
        async with client.stream("POST", "/v1/chat/completions", json={**SHORT, "stream": True}) as response:
            lines = [line async for line in response.aiter_lines()]
        first.cancel()
    assert all(line.startswith("data: ") for line in lines if line)
    *texts, done = parse(lines)
    assert done == "[DONE]"
    chunks = [json.loads(text) for text in texts]
    for chunk in chunks:
        check(chunk, CHUNK)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[1] == {}
    assert all("role" not in delta for delta in deltas[1:])
    timings = chunks[-1]["timings"]
    assert timings["queue_ms"] > 100
    assert timings["prompt_ms"] > 0
    assert timings["predicted_ms"] > 0


async def test_signs_of_life_of_responses_are_events_that_change_nothing(slow: Server) -> None:
    tool = {"type": "function", "name": "tell", "parameters": {"type": "object"}}
    body = {"model": MODEL, "input": LONG["content"], "max_output_tokens": 2, "stream": True}
    forced = {**body, "tools": [tool], "tool_choice": "required"}
    async with client_of(slow) as client:
        first = asyncio.create_task(client.post("/v1/chat/completions", json={**BODY, "max_tokens": 20}))
        await until(lambda: begun(slow) == 1)
        answers = await asyncio.gather(*(client.post("/v1/responses", json=one) for one in (body, forced)))
        await first
    texts, calls = (
        [json.loads(data) for data in re.findall("^data: (.+)", one.text, re.M)] for one in answers
    )
    for events in (texts, calls):
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
    deltas = [event["delta"] for event in texts if event["type"] == "response.output_text.delta"]
    assert (deltas[0], "".join(deltas)) == ("", texts[-1]["response"]["output"][0]["content"][0]["text"])
    assert [event["type"] for event in texts].count("response.created") == 1
    assert [event["type"] for event in calls].count("response.created") == 1
    assert [event["type"] for event in calls].count("response.in_progress") > 1


async def test_signs_of_life_of_a_batch_are_comments(slow: Server) -> None:
    body = {"images": [data_uri(photo("coffee"))], "prompt": "?", "max_tokens": 2, "stream": True}
    async with client_of(slow) as client:
        first = asyncio.create_task(client.post("/v1/chat/completions", json={**BODY, "max_tokens": 20}))
        await until(lambda: begun(slow) == 1)
        answer = await client.post("/v1/vision/analyze", json=body)
        await first
    assert answer.text.startswith(": keep-alive\n\n")
    assert len(list(parse(answer.text.splitlines()))) == 3


@pytest.mark.parametrize("picture", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_npu(stream: bool, picture: bool, slow: Server) -> None:
    question = user(str(LONG["content"]), photo("coffee")) if picture else LONG
    body = {**BODY, "messages": [question], "stream": stream}
    async with client_of(slow) as client:
        await leave(client, "/v1/chat/completions", body, lambda: begun(slow) == 1)
    left = time.monotonic()
    await until(lambda: generations(slow) == ABORTED)
    assert time.monotonic() - left < 1
    await until(idle(slow))
    assert re.search("status=499 .* finish=none", slow.log())
    assert 'hailo_vision_cancelled_total{route="/v1/chat/completions"}' in slow.http.get("/metrics").text
    assert slow.http.post("/v1/chat/completions", json=SHORT).status_code == 200
    assert generations(slow) == ABORTED + COMPLETE


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_the_queue_never_reaches_the_npu(stream: bool, slow: Server) -> None:
    async with client_of(slow) as client:
        first = asyncio.create_task(client.post("/v1/chat/completions", json={**BODY, "max_tokens": 20}))
        await until(lambda: begun(slow) == 1)
        body = {**BODY, "stream": stream}
        await leave(client, "/v1/chat/completions", body, lambda: slow.health()["queue"]["waiting"] == 1)
        await until(lambda: slow.health()["queue"]["waiting"] == 0)
        assert (await first).status_code == 200
    await until(idle(slow))
    assert generations(slow) == COMPLETE


@pytest.mark.parametrize("stream", [False, True])
async def test_a_batch_ends_when_its_client_leaves(stream: bool, slow: Server) -> None:
    images = [image_part(photo("coffee"))] * 4
    body = {"images": images, "prompt": "Describe in detail, at length", "max_tokens": 8, "stream": stream}
    async with client_of(slow) as client:
        await leave(client, "/v1/vision/analyze", body, lambda: begun(slow) == 2)
    await until(idle(slow))
    assert generations(slow) == COMPLETE + ABORTED


@pytest.mark.parametrize("stream", [False, True])
async def test_three_attempts_are_three_starts_and_three_aborts(stream: bool, slow: Server) -> None:
    """What an SDK does with a client's timeout; without cancellation three generations would run."""
    async with AsyncOpenAI(base_url=slow.api, api_key="x", timeout=0.4, max_retries=2) as client:
        with pytest.raises((APITimeoutError, httpx.ReadTimeout)):
            await client.chat.completions.create(**BODY)
    await until(idle(slow))
    assert generations(slow) == ABORTED * 3


async def test_the_deadline_aborts_and_is_not_retried(make_server: Callable[..., Server]) -> None:
    server = make_server(config={"server": {"request_timeout": 0.5}}, emulator=SLOW).start()
    async with client_of(server) as client:
        response = await client.post("/v1/chat/completions", json=BODY)
        assert response.status_code == 504
        assert response.headers["x-should-retry"] == "false"
        check(response.json(), ERROR)
        await until(idle(server))
        streamed = await client.post("/v1/chat/completions", json={**BODY, "stream": True})
    data = list(parse(streamed.iter_lines()))
    assert streamed.status_code == 200
    assert json.loads(data[-2])["error"]["code"] == "deadline_exceeded"
    await until(idle(server))
    assert generations(server) == ABORTED * 2


async def test_a_fault_in_a_stream_is_an_error_event(make_server: Callable[..., Server]) -> None:
    server = make_server(faults={"crash_after_tokens": 3}).start()
    async with client_of(server) as client:
        streamed = await client.post("/v1/chat/completions", json={**BODY, "stream": True})
    data = list(parse(streamed.iter_lines()))
    check(json.loads(data[-2]), ERROR)
    assert json.loads(data[-2])["error"]["code"] == "device_unavailable"
    assert data[-1] == "[DONE]"


async def test_loading_is_told_before_anything_else(make_server: Callable[..., Server]) -> None:
    server = make_server(faults={"load_extra_s": 60.0}, emulator={"time_scale": 1.0}).start(wait=False)
    for stream in (False, True):
        response = server.chat(LONG, stream=stream)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "model_loading"
        assert int(response.headers["retry-after"]) >= 1
    ready = server.http.get("/health/ready")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert server.http.get("/v1/models").status_code == 200
    assert server.health()["model_loaded"] is False


async def test_a_slow_reader_delays_nobody(slow: Server) -> None:
    with socket.create_connection(("127.0.0.1", slow.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        text = json.dumps({**BODY, "stream": True, "max_tokens": 30})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}"
        connection.sendall(f"{head}\r\n\r\n{text}".encode())
        await until(lambda: begun(slow) == 1)
        assert slow.http.post("/v1/chat/completions", json=SHORT).status_code == 200
    assert generations(slow) == COMPLETE * 2


async def test_health_answers_at_once_while_the_npu_works(slow: Server) -> None:
    """As soon as without, on a loaded machine too."""

    async def seconds(client: httpx.AsyncClient, state: str) -> float:
        times = []
        for _ in range(50):
            started = time.perf_counter()
            assert (await client.get("/health")).json()["state"] == state
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    async with client_of(slow) as client:
        alone = await seconds(client, "ready")
        task = asyncio.create_task(client.post("/v1/chat/completions", json=BODY))
        await until(lambda: begun(slow) == 1)
        assert await seconds(client, "generating") < 5 * alone + 0.01
        task.cancel()
