"""What applications send to Ollama's API, and what each reads of the answer, after their sources.

Home Assistant 2026.2 (integration ollama), Frigate 0.18, Open WebUI 0.12, n8n, PhotoPrism, Karakeep, LLM
Vision and Ollama's own command.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.ollama import lines, picture
from support.pictures import photo, plain
from support.server import MODEL, Server

TAGGED = f"{MODEL}:latest"
JPEG = picture(photo("coffee"))
THUMBNAILS = [
    picture(plain(colour, (175, 175), "JPEG")) for colour in ("red", "green", "blue", "gray", "black") * 2
]


def post(server: Server, path: str, body: dict[str, Any]) -> Any:
    response = server.http.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def streamed(server: Server, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The text of a stream, and its last line."""
    chunks = lines(server.http.post(path, json=body))
    texts = [chunk["message"]["content"] if "message" in chunk else chunk["response"] for chunk in chunks]
    return "".join(texts), chunks[-1]


def test_home_assistant(server: Server) -> None:
    """Set up, a conversation, and an AI Task that describes a camera's picture as a structure."""
    started = time.monotonic()
    (model,) = server.http.get("/api/tags").json()["models"]
    assert time.monotonic() - started < 5
    assert model["model"] == TAGGED
    assert post(server, "/api/pull", {"model": TAGGED, "stream": False, "insecure": False}) == {
        "status": "success"
    }
    common = {"model": TAGGED, "stream": True, "options": {"num_ctx": 8192}, "keep_alive": "-1s"}
    function = {
        "name": "HassTurnOn",
        "description": "Turns on",
        "parameters": {"type": "object", "properties": {}},
    }
    said, _ = streamed(
        server,
        "/api/chat",
        {
            **common,
            "messages": [
                {"role": "system", "content": "You are a voice assistant for Home Assistant."},
                {"role": "user", "content": "What is the time?", "images": None},
            ],
            "tools": [{"type": "function", "function": function}],
        },
    )
    assert said
    task = {
        **common,
        "keep_alive": -1,
        "messages": [
            {"role": "system", "content": "You are a Home Assistant expert."},
            {"role": "user", "content": "Who is at the door?", "images": [JPEG]},
        ],
        "tools": [],
        "format": {
            "type": "object",
            "properties": {
                "people": {"type": "integer", "description": "How many people there are"},
                "summary": {"type": "string"},
            },
            "required": ["people", "summary"],
            "additionalProperties": False,
        },
    }
    structure, end = streamed(server, "/api/chat", task)
    assert set(json.loads(structure)) == {"people", "summary"}
    assert end["done_reason"] == "stop"


def frigate(pictures: list[str]) -> dict[str, Any]:
    return {
        "model": MODEL,
        "prompt": "Describe the car in these images.",
        "images": pictures,
        "stream": False,
        "options": {"temperature": 0.5, "repeat_penalty": 1.05, "presence_penalty": 0.3},
    }


def test_frigate(server: Server) -> None:
    """Its start, and an event of ten thumbnails."""
    assert "thinking" not in post(server, "/api/show", {"model": MODEL})["capabilities"]
    assert TAGGED in [model["model"] for model in server.http.get("/api/tags").json()["models"]]
    answer = post(server, "/api/generate", frigate(THUMBNAILS))
    assert answer["response"]
    assert answer["prompt_eval_count"] > 10 * 144


def test_open_webui(make_server: Callable[..., Server]) -> None:
    server = make_server().start()
    assert [int(part) for part in server.http.get("/api/version").json()["version"].split(".")]
    (model,) = server.http.get("/api/tags").json()["models"]
    assert model["name"] == TAGGED
    assert post(server, "/api/show", {"name": TAGGED})["details"]
    chat = {
        "model": TAGGED,
        "messages": [{"role": "user", "content": "What is this?", "images": [JPEG]}],
        "stream": True,
        "options": {},
    }
    said, end = streamed(server, "/api/chat", chat)
    assert said
    assert end["eval_count"] / (end["eval_duration"] / 1e9) > 0
    (loaded,) = server.http.get("/api/ps").json()["models"]
    assert loaded["expires_at"]
    unloaded = post(server, "/api/generate", {"model": TAGGED, "keep_alive": 0, "prompt": ""})
    assert unloaded["done_reason"] == "unload"
    server.wait_for(lambda: server.http.get("/api/ps").json()["models"] == [])
    steps = lines(server.http.post("/api/pull", json={"model": TAGGED}))
    assert steps[-1]["status"] == "success"
    assert server.http.post("/api/embed", json={"model": TAGGED, "input": ["x"]}).status_code == 400


def test_n8n(server: Server) -> None:
    assert server.http.get("/api/tags").json()["models"][0]["name"] == TAGGED
    body = {
        "model": TAGGED,
        "messages": [{"role": "user", "content": "What is in this image?", "images": [JPEG]}],
        "stream": False,
        "options": {"temperature": 0.5, "num_predict": 100},
    }
    assert post(server, "/api/chat", body)["message"]["content"]


def test_photoprism(server: Server) -> None:
    body = {
        "id": "3487da77-246e-4b4c-8b0a-8a1c5bd8a8e3",
        "model": MODEL,
        "version": "latest",
        "system": "Return a single JSON object.",
        "prompt": "Analyze the image and return labels.",
        "suffix": "",
        "format": "json",
        "options": {"temperature": 0.01, "top_p": 0.9, "stop": ["\n\n"], "seed": 42},
        "stream": False,
        "images": [JPEG],
    }
    assert isinstance(json.loads(post(server, "/api/generate", body)["response"]), dict)


@pytest.mark.parametrize("wanted", ["schema", "json", None])
def test_karakeep(wanted: str | None, server: Server) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["tags"],
        "additionalProperties": False,
    }
    body = {
        "model": MODEL,
        "format": schema if wanted == "schema" else wanted,
        "stream": True,
        "keep_alive": "5m",
        "options": {"num_ctx": 2048, "num_predict": 400},
        "prompt": "Analyze the attached image and suggest tags.",
        "images": [JPEG],
    }
    text, end = streamed(server, "/api/generate", body)
    assert text
    if wanted:
        assert isinstance(json.loads(text), dict)
    assert end["prompt_eval_count"] + end["eval_count"] > 144


def test_llm_vision(server: Server) -> None:
    """Version 1.7.0 sends the pictures twice, beside fields of /api/generate; its memory is messages."""
    frames = THUMBNAILS[:4]
    common = {
        "model": MODEL,
        "stream": False,
        "options": {"num_predict": 100, "temperature": 0.2, "top_p": 0.9, "num_ctx": 2048},
        "keep_alive": "5m",
        "think": False,
    }
    question = {"role": "user", "content": "Summarise the events."}
    beside = {"images": frames, "prompt": [], "system": "Be short."}
    images = [{"role": "user", "content": f"Image {n}:", "images": [one]} for n, one in enumerate(frames, 1)]
    for messages in ([{**question, "images": frames}], [*images, question]):
        answer = post(server, "/api/chat", {**common, **beside, "messages": messages})
        assert answer["message"]["content"]
        assert 4 * 144 < answer["prompt_eval_count"] < 5 * 144


def test_ollamas_own_command(server: Server) -> None:
    """`ollama run`, then a message."""
    assert server.http.head("/").status_code == 200
    assert post(server, "/api/show", {"model": MODEL, "name": MODEL, "system": "", "template": ""})[
        "model_info"
    ]
    assert post(server, "/api/generate", {"model": MODEL, "prompt": "", "think": None})["done"] is True
    said, end = streamed(
        server,
        "/api/chat",
        {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "format": "", "options": {}},
    )
    assert said
    assert end["done"] is True
    (listed,) = server.http.get("/api/tags").json()["models"]
    assert listed["digest"][:12].isalnum()
