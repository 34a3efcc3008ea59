"""Ollama's API: what each of its routes reads and answers."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.ollama import chat, generate, last_prompt, lines, moment, picture
from support.pictures import data_uri, photo, plain
from support.server import MODEL, Server

MakeServer = Callable[..., Server]
HELLO = {"role": "user", "content": "Hi"}
COLOUR = {"role": "user", "content": "Which colour is this?", "images": [picture(plain("red"))]}
DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
COUNTS = ("prompt_eval_count", "eval_count")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"colour": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
}


def check_end(end: dict[str, Any]) -> None:
    assert end["done"] is True
    assert end["done_reason"] in ("stop", "length")
    for name in (*DURATIONS, *COUNTS):
        assert type(end[name]) is int, name
        assert end[name] >= 0
    assert end["total_duration"] < 30e9
    assert end["total_duration"] >= end["eval_duration"]


def test_a_chat_is_streamed_unless_told_otherwise(server: Server) -> None:
    response = server.http.post("/api/chat", json={"model": MODEL, "messages": [COLOUR]})
    assert response.headers["content-type"] == "application/x-ndjson"
    assert all(response.text.split("\n")[:-1]), "an empty line crashes most clients"
    chunks = lines(response)
    for chunk in chunks:
        assert chunk["model"] == MODEL
        assert abs(datetime.now(UTC) - moment(chunk["created_at"])) < timedelta(minutes=1)
        assert chunk["message"]["role"] == "assistant"
    assert [chunk["done"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["message"]["content"] == ""
    check_end(chunks[-1])
    assert not any(set(chunk) & {"done_reason", *DURATIONS, *COUNTS} for chunk in chunks[:-1])
    assert "red" in "".join(chunk["message"]["content"] for chunk in chunks)


def test_a_whole_chat(server: Server) -> None:
    answer = chat(server, COLOUR)
    check_end(answer)
    assert "red" in answer["message"]["content"]
    assert answer["eval_count"] > 0
    assert answer["prompt_eval_count"] > 144


def test_the_prompt_is_the_one_of_openais_dialect(server: Server) -> None:
    chat(server, HELLO)
    prompt = last_prompt(server)["prompt"]
    assert prompt.startswith("<|im_start|>system\nYou are a helpful assistant")
    server.answer(HELLO)
    assert last_prompt(server)["prompt"] == prompt


def test_a_picture_without_a_question_is_answered(server: Server) -> None:
    assert generate(server, images=COLOUR["images"])["eval_count"] > 0


def test_generate_whole_and_streamed(server: Server) -> None:
    fields = {"prompt": "Which colour is this?", "images": COLOUR["images"], "system": "Answer briefly."}
    whole = generate(server, **fields)
    check_end(whole)
    assert "red" in whole["response"]
    assert "message" not in whole
    body = {"model": MODEL, "options": {"temperature": 0}, **fields}
    chunks = lines(server.http.post("/api/generate", json=body))
    check_end(chunks[-1])
    assert "".join(chunk["response"] for chunk in chunks) == whole["response"]
    assert "<|im_start|>system\nAnswer briefly." in last_prompt(server)["prompt"]


def test_pictures_stand_before_the_text_and_may_be_spread_over_messages(server: Server) -> None:
    """LLM Vision sends one message a picture, then the question."""
    answer = chat(
        server,
        {"role": "System", "content": "You look at pictures."},
        {"role": "user", "content": "Image 1:", "images": [picture(plain("red"))]},
        {"role": "user", "content": "Image 2:", "images": [data_uri(plain("blue"), "image/png")]},
        {"role": "USER", "content": "Which colours are these?"},
    )
    assert answer["message"]["content"]
    prompt = last_prompt(server)["prompt"]
    order = ["system\nYou look", "<|image_pad|>", "Image 1:", "<|image_pad|>", "Image 2:", "Which colours"]
    places = [prompt.index(order[0])]
    for part in order[1:]:
        places.append(prompt.index(part, places[-1] + 1))
    assert prompt.count("<|image_pad|>") == 2


def test_roles_and_empty_contents(server: Server) -> None:
    answer = chat(
        server,
        {"role": "user", "content": "What is the time?", "images": []},
        {"role": "assistant", "thinking": "hm", "tool_calls": [{"function": {"name": "clock"}}]},
        {"role": "tool", "content": "It is noon.", "tool_name": "clock", "images": None},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": None, "images": [picture(plain("red"))]},
    )
    assert answer["message"]["content"]
    prompt = last_prompt(server)["prompt"]
    assert prompt.startswith("<|im_start|>system\nBe brief.")
    assert "<|im_start|>user\nIt is noon." in prompt


def test_a_trailing_assistant_message_is_continued(server: Server) -> None:
    chat(server, HELLO, {"role": "assistant", "content": "The sea is"})
    assert last_prompt(server)["prompt"].endswith("<|im_start|>assistant\nThe sea is")


def test_names_with_and_without_tag_and_case(make_server: MakeServer) -> None:
    config = {"model": {"aliases": ["llava"]}, "api": {"model_required": False}}
    server = make_server(config=config).start()
    for name in (MODEL, f"{MODEL}:latest", MODEL.upper(), "Llava", "llava:latest"):
        assert chat(server, HELLO, model=name)["model"] == name
        assert generate(server, prompt="Hi", model=name)["model"] == name
        assert server.http.post("/api/show", json={"name": name}).status_code == 200
        pulled = server.http.post("/api/pull", json={"model": name, "stream": False})
        assert pulled.json() == {"status": "success"}
    body = {"messages": [HELLO], "stream": False}
    assert server.http.post("/api/chat", json=body).json()["model"] == MODEL


IN_OPENAIS_WRAPPING = (
    {"type": "json_object"},
    {"type": "json_schema", "name": "x", "schema": SCHEMA},
    {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
)


@pytest.mark.parametrize("wanted", ["json", SCHEMA, *IN_OPENAIS_WRAPPING])
@pytest.mark.parametrize("stream", [False, True])
def test_json_by_word_and_by_schema(wanted: Any, stream: bool, server: Server) -> None:
    body = {"model": MODEL, "messages": [COLOUR], "format": wanted, "stream": stream}
    response = server.http.post("/api/chat", json=body)
    found = [response.json()] if not stream else lines(response)
    answer = json.loads("".join(chunk["message"]["content"] for chunk in found))
    assert isinstance(answer, dict)
    if "colour" in json.dumps(wanted):
        assert set(answer) == {"colour", "count"}


def test_an_empty_format_is_none(server: Server) -> None:
    plain_text = generate(server, prompt="Tell me something about the sea.")["response"]
    assert generate(server, prompt="Tell me something about the sea.", format="")["response"] == plain_text


def test_how_long_an_answer_may_be(server: Server) -> None:
    """Ollama never cuts an answer: with a format there is room for one, and 0 and -1 leave all there is."""

    def tokens(**fields: Any) -> int:
        generate(server, prompt="Describe the sea.", **fields)
        return int(last_prompt(server)["params"]["max_generated_tokens"])

    assert tokens() == 200
    assert tokens(format="json") == 512
    assert tokens(format="json", options={"num_predict": 20}) == 20
    assert tokens(options={"num_predict": 20.0}) == 20
    for no_limit in (0, -1, -2):
        assert 1900 < tokens(options={"num_predict": no_limit}) < 2048
    cut = generate(server, prompt="Describe the sea.", options={"num_predict": 3})
    assert (cut["done_reason"], cut["eval_count"]) == ("length", 3)


def test_options_reach_the_npu_and_others_are_ignored(server: Server) -> None:
    options: dict[str, Any] = {
        "temperature": 0.5, "top_p": 0.9, "top_k": 10**30, "seed": 2**64 - 1, "repeat_penalty": 1.05,
        "num_ctx": 8192, "num_keep": 4, "presence_penalty": 0.3, "mirostat": 0, "num_gpu": None, "xyz": {},
    }  # fmt: skip
    fields = {
        "think": False,
        "tools": [],
        "truncate": True,
        "shift": True,
        "logprobs": False,
        "template": "x",
    }
    assert generate(server, prompt="Hi", options=options, **fields)["response"]
    parameters = last_prompt(server)["params"]
    assert parameters["temperature"] == pytest.approx(0.5)
    assert parameters["top_p"] == pytest.approx(0.9)
    assert parameters["frequency_penalty"] == pytest.approx(1.05)
    assert generate(server, prompt="Hi", options={"top_k": -(10**30)})["response"]  # all, as for llama.cpp


def test_seeds(server: Server) -> None:
    def answer(seed: Any) -> str:
        options = {"temperature": 1.5, "top_p": 1, "seed": seed}
        return str(generate(server, prompt="Tell me something about the sea.", options=options)["response"])

    assert answer(42) == answer(42.0)
    assert answer(2**64 + 7) == answer(7)
    assert len({answer(-1) for _ in range(8)}) > 1


def test_any_number_of_stops_and_none_of_them_empty(server: Server) -> None:
    whole = generate(server, prompt="Tell me something about the sea.")["response"]
    word = whole.split()[2]
    for stop in (word, ["", "#", "@", "~", "|", word]):
        answer = generate(server, prompt="Tell me something about the sea.", options={"stop": stop})
        assert answer["response"] == whole[: whole.index(word)]
        assert answer["done_reason"] == "stop"


def test_tools_are_ignored(server: Server) -> None:
    tool = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
    assert chat(server, HELLO, tools=[tool], think="low")["message"]["content"]


def test_a_photo_in_every_spelling_of_base64(server: Server) -> None:
    octets = base64.b64encode(photo("coffee")).decode()
    for source in (
        octets,
        f"data:image/jpeg;base64,{octets}",
        base64.urlsafe_b64encode(photo("coffee")).decode(),
    ):
        body = {"model": MODEL, "stream": False, "prompt": "What is this?", "images": [source]}
        assert server.http.post("/api/generate", json=body).json()["response"]
