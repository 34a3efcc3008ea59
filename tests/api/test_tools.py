"""Forced tools: answered through JSON, as an object of the function's parameters."""

import json
from typing import Any

import pytest
from support.events import events
from support.openai_schema import CHUNK, COMPLETION, check
from support.pictures import plain, user
from support.server import Server

from hailo_vision.config import ApiConfig
from hailo_vision.http.openai.tools import forced
from hailo_vision.inference.json_check import find

QUESTION = user("Describe it.", plain("red"))
COLOUR = {
    "name": "tell_colour",
    "description": "Tells the colour of the picture",
    "parameters": {
        "type": "object",
        "properties": {"colour": {"$ref": "#/$defs/colour"}, "sure": {"type": "boolean"}},
        "required": ["colour", "sure"],
        "$defs": {"colour": {"type": "string"}},
    },
}
COUNT = {
    "name": "count",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}
TOOLS = [{"type": "function", "function": COLOUR}, {"type": "function", "function": COUNT}]
NAMED = {"type": "function", "function": {"name": "tell_colour"}}


def choice_of(server: Server, **fields: Any) -> dict[str, Any]:
    completion = server.chat(QUESTION, **fields).json()
    check(completion, COMPLETION)
    assert completion["json_report"]["valid"] is True
    choice: dict[str, Any] = completion["choices"][0]
    return choice


def arguments_of(call: dict[str, Any]) -> Any:
    return json.loads(call["function"]["arguments"])


@pytest.mark.parametrize(
    ("choice", "finish"),
    [
        (NAMED, "stop"),
        ({"type": "function", "name": "tell_colour"}, "stop"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
            "tool_calls",
        ),
    ],
)
def test_one_function_gets_its_arguments(choice: Any, finish: str, server: Server) -> None:
    answer = choice_of(server, tools=TOOLS, tool_choice=choice)
    assert answer["finish_reason"] == finish
    assert answer["message"]["content"] is None
    (call,) = answer["message"]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "tell_colour")
    assert set(arguments_of(call)) == {"colour", "sure"}


def test_one_of_several_is_called(server: Server) -> None:
    light = {**COUNT, "name": "light"}
    answer = choice_of(
        server, tools=[TOOLS[1], {"type": "function", "function": light}], tool_choice="required"
    )
    assert answer["finish_reason"] == "tool_calls"
    (call,) = answer["message"]["tool_calls"]
    assert call["function"]["name"] in {"count", "light"}
    assert set(arguments_of(call)) == {"n"}


def test_references_inside_the_parameters_stay_right_among_several() -> None:
    tools = forced("required", TOOLS, ApiConfig())
    assert tools
    good = {"name": "tell_colour", "arguments": {"colour": "red", "sure": True}}
    bad = {"name": "tell_colour", "arguments": {"colour": 5, "sure": True}}
    assert not find(json.dumps(good), tools.json.schema).problem
    assert find(json.dumps(bad), tools.json.schema).problem
    assert tools.call(json.dumps(good)) == ("tell_colour", '{"colour": "red", "sure": true}')


@pytest.mark.parametrize("arguments", ["[" * 50_000, '{"colour": "\\ud83d"}', "NaN"])
def test_what_the_model_writes_instead_of_a_call_comes_through(arguments: str) -> None:
    tools = forced("required", TOOLS, ApiConfig())
    assert tools
    text = f'{{"name": "count", "arguments": {arguments}}}'
    assert tools.call(text) == ("tell_colour", text)


def test_a_single_functions_arguments_may_look_like_a_call() -> None:
    tools = forced("required", TOOLS[1:], ApiConfig())
    assert tools
    text = '{"name": "door", "arguments": {}}'
    assert tools.call(text) == ("count", text)


def test_a_single_required_tool_is_the_one(server: Server) -> None:
    answer = choice_of(server, tools=TOOLS[:1], tool_choice="required")
    assert answer["message"]["tool_calls"][0]["function"]["name"] == "tell_colour"
    assert answer["finish_reason"] == "tool_calls"


def test_the_function_is_told_to_the_model(server: Server) -> None:
    choice_of(server, tools=TOOLS, tool_choice=NAMED)
    prompt = [entry for entry in server.journal() if entry["event"] == "generate"][-1]["prompt"]
    assert "tell_colour (Tells the colour of the picture)" in prompt


def test_the_form_that_openai_gave_up(server: Server) -> None:
    answer = choice_of(server, functions=[COLOUR], function_call={"name": "tell_colour"})
    assert answer["message"]["function_call"]["name"] == "tell_colour"
    assert set(json.loads(answer["message"]["function_call"]["arguments"])) == {"colour", "sure"}
    assert "tool_calls" not in answer["message"]


def test_a_streamed_call(server: Server) -> None:
    chunks = events(server.chat(QUESTION, tools=TOOLS, tool_choice=NAMED, stream=True))
    for chunk in chunks:
        check(chunk, CHUNK)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert not any(delta.get("content") for delta in deltas)
    (call,) = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert call["index"] == 0
    assert call["id"].startswith("call_")
    assert set(arguments_of(call)) == {"colour", "sure"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("parameters", "good", "bad"),
    [
        (None, {}, []),
        ({}, {"a": 1}, "x"),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1}, [1]),
        (
            {  # as zod-to-json-schema writes it for LangChain and the AI SDK
                "$schema": "http://json-schema.org/draft-07/schema#",
                "$ref": "#/definitions/call",
                "definitions": {"call": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}},
            },
            {"a": 1},
            {},
        ),
    ],
)
def test_arguments_are_an_object_that_fits(parameters: Any, good: Any, bad: Any) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    one, several = (forced("required", tools, ApiConfig()) for tools in ([tool], [tool, TOOLS[0]]))
    assert one
    assert several
    for arguments, fits in ((good, True), (bad, False)):
        assert (find(json.dumps(arguments), one.json.schema).problem == "") is fits
        call = {"name": "f", "arguments": arguments}
        assert (find(json.dumps(call), several.json.schema).problem == "") is fits


def test_an_empty_answer_is_streamed_as_a_call_too(server: Server) -> None:
    fields: dict[str, Any] = {"tools": TOOLS[1:], "tool_choice": "required", "stop": "{"}
    (call,) = server.chat(QUESTION, **fields).json()["choices"][0]["message"]["tool_calls"]
    chunks = events(server.chat(QUESTION, **fields, stream=True))
    (streamed,) = chunks[-2]["choices"][0]["delta"]["tool_calls"]
    assert streamed["function"] == call["function"] == {"name": "count", "arguments": ""}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_call_that_the_limit_cuts_says_so(server: Server) -> None:
    cut = server.chat(QUESTION, tools=TOOLS, tool_choice="required", max_tokens=1).json()
    assert cut["choices"][0]["finish_reason"] == "length"


def test_tools_of_the_providers_own_are_passed_over(server: Server) -> None:
    """Agents send them beside their functions."""
    tools = [{"type": "web_search"}, {"type": "custom", "custom": {"name": "x"}}, *TOOLS]
    call = choice_of(server, tools=tools, tool_choice=NAMED)["message"]["tool_calls"][0]
    assert call["function"]["name"] == "tell_colour"


@pytest.mark.parametrize(
    "choice",
    [
        "auto",
        "none",
        None,
        {"type": "allowed_tools", "mode": "auto"},
        {"type": "allowed_tools", "mode": "auto", "allowed_tools": None},
    ],
)
def test_a_free_model_answers_in_text(choice: Any, server: Server) -> None:
    message = server.chat(QUESTION, tools=TOOLS, tool_choice=choice).json()["choices"][0]["message"]
    assert message["content"]
    assert "tool_calls" not in message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "perhaps"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        (
            {"tools": [{"type": "function", "function": {}}], "tool_choice": "required"},
            "tools[0].function.name",
        ),
        ({"tools": [{"type": "function", "function": 5}], "tool_choice": "required"}, "tools[0].function"),
        ({"tools": [{"type": "function", "name": 5}], "tool_choice": "required"}, "tools[0].name"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}], "tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS * 200, "tool_choice": "required"}, "tools"),
        ({"functions": [{"name": "f"}] * 200, "function_call": {"name": "f"}}, "functions"),
        ({"functions": [{"name": "f"}], "function_call": {"name": "x"}}, "function_call"),
        *(
            (
                {"tools": [{"type": "function", "name": "f", name: "x" * 70_000}], "tool_choice": "required"},
                f"tools[0].{name}",
            )
            for name in ("name", "description")
        ),
        *(
            ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "tools": tools}}, "tool_choice.tools")
            for tools in (5, TOOLS * 200)
        ),
        (
            {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": 5}}},
            "tool_choice.allowed_tools.mode",
        ),
        (
            {
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "x"}}}],
                "tool_choice": "required",
            },
            "tools",
        ),
    ],
)
def test_calls_that_can_not_be_forced(fields: Any, param: str, server: Server) -> None:
    response = server.chat(QUESTION, **fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
