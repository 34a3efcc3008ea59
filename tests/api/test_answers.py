"""Responses and streams, field by field, against OpenAI's published description."""

import json
from typing import Any

import pytest
from support.events import events, text_of
from support.openai_schema import CHUNK, COMPLETION, MODEL, MODELS, check
from support.pictures import photo, user
from support.server import MODEL as NAME
from support.server import Server

HELLO = {"role": "user", "content": "Tell me something about the sea."}
QUESTION = user("What is this?", photo("coffee"))


@pytest.mark.parametrize("message", [HELLO, QUESTION])
def test_a_completion_fits_the_description(message: dict[str, Any], server: Server) -> None:
    completion = server.chat(message).json()
    check(completion, COMPLETION)
    choice = completion["choices"][0]
    assert choice["message"]["refusal"] is None
    assert choice["logprobs"] is None
    assert completion["model"] == NAME


def test_usage_is_true(server: Server) -> None:
    text = server.chat(HELLO).json()["usage"]
    picture = server.chat(QUESTION).json()["usage"]
    for usage in (text, picture):
        details = usage["prompt_tokens_details"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert details["text_tokens"] + details["image_tokens"] == usage["prompt_tokens"]
    assert text["prompt_tokens_details"]["image_tokens"] == 0
    assert picture["prompt_tokens_details"]["image_tokens"] == 144
    ends = [entry for entry in server.journal() if entry["event"] == "finished"]
    assert picture["completion_tokens"] == ends[-1]["pieces"] - 1  # the last one ends the answer


def test_the_cost_of_a_picture_can_be_measured_as_frigate_does(server: Server) -> None:
    text = server.chat(user("."), max_tokens=1).json()["usage"]["prompt_tokens"]
    picture = server.chat(user(".", photo("coffee")), max_tokens=1).json()["usage"]["prompt_tokens"]
    assert 144 <= picture - text <= 148


def test_timings_agree_with_usage(server: Server) -> None:
    completion = server.chat(QUESTION).json()
    timings, usage = completion["timings"], completion["usage"]
    assert timings["cache_n"] + timings["prompt_n"] == usage["prompt_tokens"]
    assert timings["predicted_n"] == usage["completion_tokens"]


@pytest.mark.parametrize("usage", [True, False, None])
@pytest.mark.parametrize("message", [HELLO, QUESTION])
def test_a_stream_fits_the_description(message: dict[str, Any], usage: bool | None, server: Server) -> None:
    options = {} if usage is None else {"stream_options": {"include_usage": usage}}
    response = server.chat(message, stream=True, **options)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers
    assert response.headers["x-request-id"]
    chunks = events(response)
    for chunk in chunks:
        check(chunk, CHUNK)
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    if usage:
        assert chunks[-1]["choices"] == []
        assert chunks.pop()["usage"] == server.chat(message).json()["usage"] | {
            "prompt_tokens_details": chunks_details(server, message)
        }
    assert all(("usage" in chunk) == bool(usage) and not chunk.get("usage") for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-1]["choices"][0]["delta"] == {}
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert all(chunk["choices"][0]["delta"]["content"] for chunk in chunks[1:-1])
    assert text_of(chunks) == server.answer(message)


def chunks_details(server: Server, message: dict[str, Any]) -> dict[str, Any]:
    """The details of a prompt of which nothing is found in the context."""
    details: dict[str, Any] = server.chat(message).json()["usage"]["prompt_tokens_details"]
    return details


def test_a_stream_that_is_cut_by_the_limit_says_so(server: Server) -> None:
    chunks = events(server.chat(HELLO, stream=True, max_tokens=2))
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_characters_are_never_cut(server: Server) -> None:
    message = {"role": "user", "content": "Repeat: 👍🏽 héllo 你好 🇩🇪"}
    for chunk in events(server.chat(message, stream=True)):
        assert "\ufffd" not in json.dumps(chunk, ensure_ascii=False)


def test_models_fit_the_description(server: Server) -> None:
    listed = server.http.get("/v1/models").json()
    check(listed, MODELS)
    one = server.http.get(f"/v1/models/{NAME}").json()
    check(one, MODEL)
    assert listed["data"] == [one]
    assert one["id"] == NAME
    assert one["max_model_len"] == one["meta"]["n_ctx"] == 2048
    assert one["architecture"]["input_modalities"] == ["text", "image"]


def test_answers_are_not_compressed(server: Server) -> None:
    """Compression would hold the tokens of a stream back."""
    response = server.chat(HELLO, stream=True)
    assert "content-encoding" not in response.headers
