"""POST /v1/vision/analyze: one prompt about many pictures."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support.events import events
from support.openai_schema import ERROR, check
from support.pictures import data_uri, image_part, plain, user
from support.server import Server
from support.slow import SLOW

from hailo_vision.config import ApiConfig

RED, BLUE = plain("red"), plain("blue")
BROKEN = data_uri(b"nothing")


def analyze(server: Server, *images: Any, **fields: Any) -> httpx.Response:
    body = {"images": images, "prompt": "Which colour is this?", "temperature": 0, **fields}
    return server.http.post("/v1/vision/analyze", json=body)


def test_every_picture_is_answered_in_order(server: Server) -> None:
    response = analyze(server, data_uri(RED), data_uri(BLUE)).json()
    assert [result["index"] for result in response["results"]] == [0, 1]
    assert "red" in response["results"][0]["analysis"]
    assert "blue" in response["results"][1]["analysis"]
    assert isinstance(response["total_inference_time_ms"], int)
    for result in response["results"]:
        assert result["image_url"] == data_uri(RED)[:100] + "..." or result["index"] == 1
        assert result["finish_reason"] == "stop"
        assert result["error"] is None
        assert result["inference_time_ms"] >= 0
    assert response["usage"]["total_tokens"] == sum(
        result["usage"]["total_tokens"] for result in response["results"]
    )


def test_the_answer_is_the_one_of_a_chat(server: Server) -> None:
    answered = analyze(server, data_uri(RED)).json()["results"][0]["analysis"]
    message = {
        "role": "user",
        "content": [image_part(RED), {"type": "text", "text": "Which colour is this?"}],
    }
    assert answered == server.answer(message)


@pytest.mark.parametrize(
    "image",
    [
        image_part(RED),
        {"type": "image", "image": data_uri(RED)},
        {"type": "image", "image_url": {"url": data_uri(RED)}},
        {"type": "input_image", "image_url": data_uri(RED)},
        data_uri(RED).partition(",")[2],
    ],
)
def test_pictures_come_in_every_shape(image: Any, server: Server) -> None:
    assert "red" in analyze(server, image).json()["results"][0]["analysis"]


def test_one_that_fails_does_not_fail_the_others(server: Server) -> None:
    response = analyze(server, BROKEN, data_uri(BLUE), "file:///etc/passwd")
    assert response.status_code == 200
    broken, blue, link = response.json()["results"]
    check({"error": broken["error"]}, ERROR)
    assert broken["error"]["code"] == "invalid_image"
    assert broken["error"]["param"] == "images[0]"
    assert broken["analysis"] is None
    assert "blue" in blue["analysis"]
    assert link["error"]["code"] == "invalid_image_url"


def test_all_that_fail_alike_are_one_error(server: Server) -> None:
    response = analyze(server, BROKEN, BROKEN)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "images[0]"
    unlike = analyze(server, BROKEN, "file:///etc/passwd").json()["results"]
    assert [one["error"]["code"] for one in unlike] == ["invalid_image", "invalid_image_url"]


def test_as_many_as_are_allowed_and_no_more(server: Server) -> None:
    most = ApiConfig().max_batch_images
    codes = [analyze(server, *[BROKEN] * count).json()["error"]["code"] for count in (most, most + 1)]
    assert codes == ["invalid_image", "too_many_images"]


def test_a_stream_in_which_all_failed_is_no_success(server: Server) -> None:
    def counted() -> str:
        return server.http.get("/metrics").text.partition("hailo_vision_request_success_total{")[2]

    before = counted()
    *results, summary = events(analyze(server, BROKEN, "file:///etc/passwd", stream=True))
    assert (len(results), summary["failed"]) == (2, 2)
    line = server.log().splitlines()[-1]
    assert " route=/v1/vision/analyze status=200 " in line
    assert " error=invalid_image " in line
    assert counted().partition("\n")[0] == before.partition("\n")[0]


def test_every_answer_has_the_same_settings(server: Server) -> None:
    short = analyze(server, data_uri(RED), max_tokens=2).json()["results"][0]
    assert (short["finish_reason"], short["usage"]["completion_tokens"]) == ("length", 2)
    stop = analyze(server, data_uri(RED), stop="red").json()["results"][0]["analysis"]
    assert "red" not in stop
    plain_answer = analyze(server, data_uri(RED)).json()["results"][0]["analysis"]
    ordered = analyze(server, data_uri(RED), system="Speak of boats.").json()["results"][0]["analysis"]
    assert ordered != plain_answer


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "?"}, "images"),
        ({"images": [], "prompt": "?"}, "images"),
        ({"images": "x", "prompt": "?"}, "images"),
        ({"images": ["x"]}, "prompt"),
        ({"images": ["x"], "prompt": ""}, "prompt"),
        ({"images": ["x"], "prompt": ["?"]}, "prompt"),
        ({"images": [data_uri(RED)], "prompt": "word " * 3000}, "prompt"),
        ({"images": [{"type": "text", "text": "x"}], "prompt": "?"}, "images[0].type"),
        ({"images": ["x", {"type": "image"}], "prompt": "?"}, "images[1]"),
        ({"images": ["x", 5], "prompt": "?"}, "images[1]"),
        ({"images": ["x"] * 33, "prompt": "?"}, "images"),
        ({"images": ["x"], "prompt": "?", "temperature": 3}, "temperature"),
        ({"images": ["x"], "prompt": "?", "image_url": "x"}, "image_url"),
        ({"images": ["x"], "prompt": "?", "image": "x"}, "image"),
        ({"images": ["x"], "prompt": "?", "messages": [{}]}, "messages"),
        ({"images": ["x"], "prompt": "?", "format": "json"}, "format"),
        ({"images": ["x"], "prompt": "?", "image_urls": ["x"]}, "image_urls"),
        ({"images": ["x"], "prompt": "?", "guided_json": {"type": "object"}}, "guided_json"),
        ({"images": ["x"], "prompt": "?", "n": 2}, "n"),
        ({"images": ["x"], "prompt": "?", "logprobs": True}, "logprobs"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str, server: Server) -> None:
    response = server.http.post("/v1/vision/analyze", json=body)
    assert response.status_code == 400, response.text
    check(response.json(), ERROR)
    assert response.json()["error"]["param"] == param


def test_progress_comes_as_events(server: Server) -> None:
    *results, summary = events(analyze(server, data_uri(RED), BROKEN, data_uri(BLUE), stream=True))
    whole = analyze(server, data_uri(RED), BROKEN, data_uri(BLUE)).json()["results"]
    assert [result["analysis"] for result in results] == [result["analysis"] for result in whole]
    assert (summary["succeeded"], summary["failed"]) == (2, 1)
    assert summary["usage"]["completion_tokens"] > 0


async def test_a_chat_gets_its_turn_between_two_pictures(make_server: Callable[..., Server]) -> None:
    server = make_server(emulator=SLOW).start()
    async with httpx.AsyncClient(base_url=server.api, timeout=30) as client:
        body = {"images": [data_uri(RED)] * 4, "prompt": "Describe it at length", "max_tokens": 8}
        batch = asyncio.create_task(client.post("/vision/analyze", json=body))
        while not any(entry["event"] == "generate" for entry in server.journal()):
            await asyncio.sleep(0.02)
        chat = {"model": "qwen2-vl-2b-instruct", "messages": [user("Hello there")], "max_tokens": 2}
        assert (await client.post("/chat/completions", json=chat)).status_code == 200
        assert not batch.done()
        done = (await batch).json()
    each = [result["inference_time_ms"] for result in done["results"]]
    assert min(each) > 100  # milliseconds: several tokens, of which each takes some 50
    assert done["total_inference_time_ms"] >= sum(each) - len(each)
    prompts = [entry["prompt"] for entry in server.journal() if entry["event"] == "generate"]
    assert ["Hello there" in prompt for prompt in prompts] == [False, True, False, False, False]


def test_a_cameras_password_is_not_echoed(server: Server) -> None:
    link = "http://camera:pass-word-7@127.0.0.1:9/photo.jpg"
    body = {"images": [link, data_uri(plain("red"))], "prompt": "Which colour is this?"}
    response = server.http.post("/v1/vision/analyze", json=body)
    assert response.json()["results"][0]["image_url"] == "http://127.0.0.1:9/photo.jpg"
    assert "pass-word-7" not in response.text
    assert "pass-word-7" not in server.log()
