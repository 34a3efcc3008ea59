"""The requests of real programs, as they send them, and what each of them reads of the answer.

The bodies are after captures and sources of: OpenAI's SDKs, LangChain, LiteLLM, llm, the AI SDK, Frigate,
LLM Vision and Local LLM for Home Assistant, Extended OpenAI Conversation, Open WebUI, Node-RED and curl.
"""

import base64
import json
import subprocess
from typing import Any

import httpx
import pytest
from support.events import events, text_of
from support.openai_schema import CHUNK, COMPLETION, check
from support.pictures import data_uri, photo, plain
from support.server import MODEL, Server

JPEG = data_uri(photo("coffee"))
PNG = data_uri(plain("red"), "image/png")
FUNCTION = {"type": "function", "function": {"name": "get_time", "description": "?", "parameters": {}}}
REVIEW_SCHEMA = {
    "type": "object",
    "properties": {
        "observations": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 8},
        "scene": {"type": "string"},
        "title": {"type": "string"},
        "shortSummary": {"type": "string"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "potential_threat_level": {"type": "integer", "minimum": 0, "maximum": 2},
    },
    "required": [
        "observations", "scene", "title", "shortSummary", "confidence", "potential_threat_level",
    ],
    "additionalProperties": False,
}  # fmt: skip


def image(url: str = JPEG, **detail: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


BODIES: dict[str, dict[str, Any]] = {
    "openai-python": {"messages": [{"role": "user", "content": [text("What is this?"), image()]}]},
    "openai-python parse": {
        "messages": [{"role": "user", "content": "Hi"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "schema": {"properties": {"a": {"type": "string"}}, "required": ["a"], "type": "object"},
                "name": "Answer",
                "strict": True,
            },
        },
        "stream": False,
    },
    "LangChain": {
        "messages": [{"content": [text("What is this?"), image()], "role": "user"}],
        "max_completion_tokens": 20,
        "stream": False,
    },
    "LangChain with tools that need not be called": {
        "messages": [{"content": "Hi", "role": "user"}],
        "tools": [FUNCTION],
        "parallel_tool_calls": False,
        "stream": False,
    },
    "LiteLLM": {"messages": [{"role": "user", "content": [text("?"), image()]}], "max_tokens": 20},
    "AI SDK": {
        "messages": [{"role": "user", "content": [text("?"), image(PNG)]}],
        "max_tokens": 20,
    },
    "AI SDK generateObject": {
        "messages": [
            {"role": "system", "content": 'JSON schema:\n{"type":"object"}\nYou MUST answer with JSON.'},
            {"role": "user", "content": "Hi"},
        ],
        "response_format": {"type": "json_object"},
    },
    "Frigate openai, object description": {
        "messages": [
            {"role": "user", "content": [text("Describe the car."), *[image(PNG, detail="low")] * 5]}
        ],
    },
    "Frigate openai, review": {
        "messages": [
            {"role": "user", "content": [text("Review these frames."), *[image(PNG, detail="low")] * 3]}
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "review_metadata", "strict": True, "schema": REVIEW_SCHEMA},
        },
        "max_tokens": 600,
    },
    "Frigate llamacpp probe": {"messages": [{"role": "user", "content": "."}], "max_tokens": 1},
    "LLM Vision validation": {"messages": [{"role": "user", "content": [text("Hi")]}]},
    "LLM Vision": {
        "messages": [
            {"role": "system", "content": "You analyse camera images."},
            {"role": "user", "content": [text("Memory: the red car is ours."), image(PNG)]},
            {
                "role": "user",
                "content": [text("Image 1:"), image(), text("Image 2:"), image(PNG), text("What happens?")],
            },
        ],
        "max_completion_tokens": 3000,
        "temperature": 0.5,
        "top_p": 0.95,
    },
    "LLM Vision title": {
        "messages": [
            {"role": "user", "content": [text("Make a title of six words at most.")]},
            {"role": "user", "content": [text("A person walks to the door.")]},
        ],
        "max_completion_tokens": 4096,
        "temperature": 0.5,
        "top_p": 0.95,
    },
    "Extended OpenAI Conversation": {
        "messages": [{"role": "system", "content": "You are a home."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 150,
        "top_p": 1,
        "temperature": 0.5,
        "user": "01HX",
        "functions": [{"name": "execute_services", "parameters": {"type": "object", "properties": {}}}],
        "function_call": "auto",
    },
    "Open WebUI title": {
        "messages": [{"role": "user", "content": "### Task:\nGenerate a concise title."}],
        "stream": False,
        "max_tokens": 1000,
    },
    "ollama-like tools": {"messages": [{"role": "user", "content": "Hi"}], "tools": []},
}

STREAMS: dict[str, dict[str, Any]] = {
    "llm": {
        "messages": [{"role": "user", "content": [text("What is this?"), image(PNG)]}],
        "stream_options": {"include_usage": True},
    },
    "Frigate chat": {
        "messages": [{"role": "user", "content": "Is anybody there?"}],
        "stream_options": {"include_usage": True},
        "tools": [FUNCTION],
        "tool_choice": "auto",
        "timings_per_token": True,
    },
    "Local LLM for Home Assistant": {
        "messages": [
            {"role": "system", "content": "You are a voice assistant."},
            {"role": "user", "content": [image(), text("Who is at the door?")]},
        ],
        "user": "01HX",
        "parallel_tool_calls": True,
        "temperature": 0.6,
        "tools": [FUNCTION],
        "metadata": {"session_id": "s"},
    },
    "Open WebUI": {
        "messages": [{"role": "user", "content": [text("Describe"), image()]}],
        "max_tokens": 300,
        "chat_template_kwargs": {},
    },
}


@pytest.mark.parametrize("name", BODIES)
def test_whole_answers(name: str, server: Server) -> None:
    response = server.http.post("/v1/chat/completions", json={"model": MODEL, **BODIES[name]})
    assert response.status_code == 200, response.text
    completion = response.json()
    check(completion, COMPLETION)
    assert completion["choices"][0]["message"]["role"] == "assistant"
    assert completion["choices"][0]["message"]["content"]
    assert completion["usage"]["total_tokens"]
    if "response_format" in BODIES[name]:
        json.loads(completion["choices"][0]["message"]["content"])


@pytest.mark.parametrize("name", STREAMS)
def test_streams(name: str, server: Server) -> None:
    body = {"model": MODEL, "stream": True, **STREAMS[name]}
    chunks = events(server.http.post("/v1/chat/completions", json=body))
    for chunk in chunks:
        check(chunk, CHUNK)
    assert text_of(chunks)
    assert ("stream_options" in body) == (chunks[-1]["choices"] == [])


def test_langchains_forced_tool_is_answered_through_json(server: Server) -> None:
    choice = {"type": "function", "function": {"name": "get_time"}}
    response = server.chat({"role": "user", "content": "Hi"}, tools=[FUNCTION], tool_choice=choice)
    message = response.json()["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"]["name"] == "get_time"


def test_frigates_ten_thumbnails_are_answered(server: Server) -> None:
    response = server.chat({"role": "user", "content": [text("Describe"), *[image(PNG)] * 10]})
    assert response.status_code == 200
    assert response.json()["usage"]["prompt_tokens_details"]["image_tokens"] == 10 * 144


def test_the_predecessors_examples(server: Server) -> None:
    parts = [text("What is this?"), {"type": "image", "image_url": {"url": JPEG}}]
    chat = server.http.post(
        "/v1/chat/completions",
        json={
            "model": MODEL,
            "messages": [{"role": "user", "content": parts}],
            "temperature": 0.7,
            "max_tokens": 200,
            "top_p": 0.9,
            "seed": 42,
            "stream": False,
        },
    ).json()
    check(chat, COMPLETION)
    body = {"images": [JPEG, PNG], "prompt": "Describe", "max_tokens": 150, "return_individual_results": True}
    batch = server.http.post("/v1/vision/analyze", json=body).json()
    assert all(result["image_url"].endswith("...") and result["analysis"] for result in batch["results"])
    assert isinstance(batch["total_inference_time_ms"], int)


def test_curl_without_a_content_type(server: Server) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
    output = subprocess.run(
        ["curl", "-sf", f"{server.api}/chat/completions", "-d", json.dumps(body)],
        check=True,
        capture_output=True,
    ).stdout
    check(json.loads(output), COMPLETION)


def test_curl_waits_for_permission_to_send_a_large_body(server: Server) -> None:
    """curl sends Expect: 100-continue with a body above 1 MB, and waits a second for the answer."""
    padding = base64.b64encode(bytes(1_500_000)).decode()
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "user": padding})
    output = subprocess.run(
        ["curl", "-sfv", f"{server.api}/chat/completions", "-H", "Expect: 100-continue", "-d", "@-"],
        input=body.encode(),
        check=True,
        capture_output=True,
    )
    assert b"100 Continue" in output.stderr
    check(json.loads(output.stdout), COMPLETION)


def test_keys_that_clients_make_up_are_accepted(server: Server) -> None:
    for key in ("Bearer x", "Bearer DUMMY_KEY", "Bearer fake-api-key", "Bearer", "x"):
        assert httpx.get(f"{server.api}/models", headers={"authorization": key}).status_code == 200


def test_reverse_proxies_may_keep_connections_open(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        for _ in range(3):
            assert client.get("/v1/models").status_code == 200
            stream = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
            assert events(client.post("/v1/chat/completions", json=stream))
