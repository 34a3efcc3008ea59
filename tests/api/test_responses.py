"""POST /v1/responses: OpenAI's newer API, whole and streamed."""

import json
import re
from typing import Any

import httpx
import pytest
from support.openai_schema import ERROR, check
from support.pictures import data_uri, plain
from support.server import MODEL, Server

RED = data_uri(plain("red"), "image/png")
IMAGE = {"type": "input_image", "image_url": RED, "detail": "auto"}
QUESTION = {"role": "user", "content": [{"type": "input_text", "text": "Which colour is this?"}, IMAGE]}
SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
TOOL = {"type": "function", "name": "tell", "parameters": SCHEMA, "strict": True}


def ask(server: Server, asked: Any, **fields: Any) -> httpx.Response:
    body = {"model": MODEL, "input": asked, "temperature": 0, **fields}
    return server.http.post("/v1/responses", json=body)


def answer(server: Server, asked: Any, **fields: Any) -> dict[str, Any]:
    response = ask(server, asked, **fields)
    assert response.status_code == 200, response.text
    return dict(response.json())


def text_of(response: dict[str, Any]) -> str:
    (item,) = response["output"]
    (part,) = item["content"]
    return str(part["text"])


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def test_what_was_asked_for_is_repeated(server: Server) -> None:
    fields = {"max_output_tokens": 7, "tool_choice": "none", "tools": [TOOL], "temperature": 0.5}
    fields |= {"top_p": 0.5, "instructions": "Be short.", "text": {"format": {"type": "text"}}}
    assert answer(server, "Hi", **fields).items() >= fields.items()
    defaults = answer(server, "Hi", temperature=None)
    assert (defaults["tool_choice"], defaults["tools"], defaults["text"]) == ("auto", [], fields["text"])
    assert (defaults["temperature"], defaults["top_p"]) == (0.7, 0.8)


def test_a_text_is_answered(server: Server) -> None:
    response = answer(server, "Tell me something about the sea.", metadata={"a": "b"}, store=True)
    assert (response["object"], response["status"], response["model"]) == ("response", "completed", MODEL)
    assert response["id"].startswith("resp_")
    assert response["store"] is False
    assert response["metadata"] == {"a": "b"}
    (item,) = response["output"]
    assert (item["type"], item["role"], item["status"]) == ("message", "assistant", "completed")
    assert item["content"][0]["annotations"] == []
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert text_of(response)


@pytest.mark.parametrize(
    "asked",
    [
        [QUESTION],
        [{"type": "message", **QUESTION}],
        [{"type": None, **QUESTION}],
        [
            {"role": "developer", "content": "Be short."},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Hello", "annotations": []}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "It rains."},
            QUESTION,
        ],
        [
            {"type": "function_call_output", "call_id": "1", "output": [IMAGE]},
            {"role": "user", "content": "Which colour is this?"},
        ],
    ],
)
def test_items_are_read(asked: Any, server: Server) -> None:
    assert "red" in text_of(answer(server, asked))


def test_instructions_are_the_system_text(server: Server) -> None:
    answer(server, "Hello", instructions="You are a parrot.")
    prompt = [entry for entry in server.journal() if entry["event"] == "generate"][-1]["prompt"]
    assert prompt.startswith("<|im_start|>system\nYou are a parrot.<|im_end|>")


def test_the_limit_makes_it_incomplete(server: Server) -> None:
    response = answer(server, "Tell me a story.", max_output_tokens=3)
    assert response["status"] == response["output"][0]["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] == 3
    for none in (-1, 0, None):
        assert answer(server, "Hi", max_output_tokens=none)["max_output_tokens"] is None
    assert events_of(ask(server, "Tell me a story.", max_output_tokens=3, stream=True))[-1]["type"] == (
        "response.incomplete"
    )


def test_json_by_a_flat_format(server: Server) -> None:
    wanted = {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}
    response = answer(server, [QUESTION], text={"format": wanted, "verbosity": "low"})
    assert set(json.loads(text_of(response))) == {"colour"}
    assert response["text"]["format"] == wanted
    assert response["json_report"]["valid"] is True
    assert isinstance(
        json.loads(text_of(answer(server, [QUESTION], text={"format": {"type": "json_object"}}))), dict
    )


def test_a_stream_is_what_sdks_need(server: Server) -> None:
    events = events_of(ask(server, [QUESTION], stream=True))
    names = [event["type"].removeprefix("response.") for event in events]
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert names == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * len(deltas),
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    whole = events[-1]["response"]
    assert "".join(deltas) == text_of(whole) == events[-4]["text"]
    assert whole["id"] == events[0]["response"]["id"]
    assert events[2]["item"]["id"] == whole["output"][0]["id"] == events[4]["item_id"]
    assert events[0]["response"]["output"] == []
    assert whole["usage"]["output_tokens"] >= len(deltas)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "tell"}])
def test_a_forced_tool_is_called(choice: Any, server: Server) -> None:
    (item,) = answer(server, [QUESTION], tools=[TOOL], tool_choice=choice)["output"]
    assert (item["type"], item["name"]) == ("function_call", "tell")
    assert item["call_id"]
    assert set(json.loads(item["arguments"])) == {"colour"}
    events = events_of(ask(server, [QUESTION], tools=[TOOL], tool_choice=choice, stream=True))
    names = [event["type"].removeprefix("response.") for event in events]
    assert names == [
        "created",
        "in_progress",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert events[-1]["response"]["output"][0]["arguments"] == events[3]["delta"]


def test_what_fails_after_the_first_event_is_a_failed_response(make_server: Any) -> None:
    server = make_server(faults={"crash_after_tokens": 3}).start()
    last = events_of(ask(server, "Tell me a story.", stream=True))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == "server_error"
    assert last["response"]["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": ["message"], "role": "user", "content": "x"}]}, "input[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0].type",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": None}, "input"),
        ({"model": None}, "model"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": "x"}, "max_output_tokens"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {"type": "x"}}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "input"),
        ({"input": [{"role": "user", "content": "x"}] * 5000}, "input"),
        ({"input": [{"type": "function_call_output", "output": {"a": 1}}]}, "input[0].output"),
        ({"input": [{"type": "function_call_output", "output": ["x", 5]}]}, "input[0].output[1]"),
        (
            {"input": [{"type": "function_call_output", "output": [{**IMAGE, "image_url": "data:,x"}]}]},
            "input[0].output[0].image_url",
        ),
        ({"image_url": IMAGE["image_url"]}, "image_url"),
        ({"image": IMAGE["image_url"]}, "image"),
        ({"messages": [QUESTION]}, "messages"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"metadata": {"a": "x" * 1_100_000}}, "metadata"),
        ({"tools": [{"type": "function", "name": "f", "description": "x" * 1_100_000}]}, "tools"),
        ({"text": {"format": {"type": "text", "more": "x" * 1_100_000}}}, "text"),
        ({"tool_choice": {"type": "allowed_tools", "more": "x" * 1_100_000}}, "tool_choice"),
        (
            {"input": [{"role": "user", "content": [{**IMAGE, "image_url": "data:,x"}]}]},
            "input[0].content[0].image_url",
        ),
    ],
)
def test_what_can_not_be_done_is_named(fields: dict[str, Any], param: str, server: Server) -> None:
    response = (
        ask(server, **{"asked": "Hi", **fields})
        if "input" not in fields
        else server.http.post("/v1/responses", json={"model": MODEL, **fields})
    )
    assert response.status_code == 400, response.text
    check(response.json(), ERROR)
    assert response.json()["error"]["param"] == param


def test_an_unknown_form_is_told_the_known_ones(server: Server) -> None:
    error = ask(server, "Hi", text={"format": {"type": "yaml"}}).json()["error"]
    assert "'yaml'; expected one of text, json_object, json_schema" in error["message"]


@pytest.mark.parametrize(
    ("fields", "routes"),
    [
        ({"messages": [QUESTION]}, ["/v1/chat/completions", "/api/chat"]),
        ({"prompt": "Hi"}, ["/v1/vision/analyze", "/api/generate"]),
        ({"question": "Hi"}, []),
    ],
)
def test_a_body_of_another_route_is_told_where_it_goes(
    fields: dict[str, Any], routes: list[str], server: Server
) -> None:
    error = server.http.post("/v1/responses", json={"model": MODEL, **fields}).json()["error"]
    assert error["param"] == "input"
    assert re.findall(r"/\w+/[\w/]+", error["message"]) == routes
