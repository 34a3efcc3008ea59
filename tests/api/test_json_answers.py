"""response_format: JSON asked for, checked, and honestly reported."""

import json
import os
import resource
from typing import Any

import jsonschema_rs
import pytest
from support.events import events, text_of
from support.openai_schema import CHUNK, COMPLETION, check
from support.pictures import photo, plain, user
from support.server import Server

QUESTION = user("Describe it.", plain("red"))
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {"type": "string"},
        "count": {"type": "integer", "minimum": 1},
        "kind": {"enum": ["photo", "drawing"]},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 1},
    },
    "required": ["colour", "count", "kind", "tags"],
    "additionalProperties": False,
    "$defs": {"tag": {"type": "string"}},
}


def schema_format(schema: Any = SCHEMA, **fields: Any) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": "picture", "schema": schema, "strict": True, **fields},
    }


def test_a_json_object_is_one(server: Server) -> None:
    completion = server.chat(QUESTION, response_format={"type": "json_object"}).json()
    check(completion, COMPLETION)
    assert isinstance(json.loads(completion["choices"][0]["message"]["content"]), dict)
    assert completion["json_report"]["valid"] is True


def test_a_schema_reaches_the_model_and_is_checked(server: Server) -> None:
    completion = server.chat(QUESTION, response_format=schema_format()).json()
    answer = json.loads(completion["choices"][0]["message"]["content"])
    assert set(answer) == set(SCHEMA["required"])
    assert completion["json_report"] == {"valid": True, "repaired": False, "attempts": 1, "problem": None}


def test_fences_are_taken_off(server: Server) -> None:
    """The emulated model writes fences when it samples."""
    reports = []
    for seed in range(12):
        completion = server.chat(
            QUESTION, response_format=schema_format(), temperature=1.5, top_p=1, seed=seed
        ).json()
        content = completion["choices"][0]["message"]["content"]
        assert content.startswith("{")
        json.loads(content)
        reports.append(completion["json_report"])
    assert any(report["repaired"] for report in reports)
    assert all(report["valid"] for report in reports)


def test_what_does_not_fit_is_asked_for_once_more_and_told(server: Server) -> None:
    impossible = {
        "type": "object",
        "properties": {"x": {"allOf": [{"const": 1}, {"const": 2}]}},
        "required": ["x"],
    }
    completion = server.chat(QUESTION, response_format=schema_format(impossible)).json()
    check(completion, COMPLETION)
    report = completion["json_report"]
    assert (report["valid"], report["attempts"]) == (False, 2)
    assert report["problem"]
    single = server.chat(QUESTION, response_format={"type": "json_object"}).json()
    assert completion["usage"]["prompt_tokens"] > 2 * single["usage"]["prompt_tokens"]


def test_where_a_second_question_does_not_fit_the_first_answer_counts(server: Server) -> None:
    nothing_fits = schema_format({"type": "object", "properties": {"x": False}, "required": ["x"]})
    short = server.chat(user("word"), response_format=nothing_fits, max_tokens=1).json()
    words = " word" * (2048 - 40 - short["usage"]["prompt_tokens"])
    completion = server.chat(user(f"word{words}"), response_format=nothing_fits).json()
    check(completion, COMPLETION)
    assert completion["json_report"]["valid"] is False
    assert completion["json_report"]["attempts"] == 1
    assert completion["choices"][0]["message"]["content"]
    assert completion["usage"]["prompt_tokens"] == 2048 - 40


def test_an_answer_cut_by_the_limit_is_not_asked_for_again(server: Server) -> None:
    completion = server.chat(QUESTION, response_format=schema_format(), max_tokens=3).json()
    assert completion["choices"][0]["finish_reason"] == "length"
    assert completion["json_report"]["valid"] is False
    assert completion["json_report"]["attempts"] == 1


def test_a_stream_comes_after_the_check(server: Server) -> None:
    chunks = events(server.chat(QUESTION, response_format=schema_format(), stream=True))
    for chunk in chunks:
        check(chunk, CHUNK)
    assert set(json.loads(text_of(chunks))) == set(SCHEMA["required"])
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["json_report"]["valid"] is True


def test_frigates_schema(server: Server) -> None:
    """Frigate's review request, with a real photo."""
    schema = {
        "type": "object",
        "properties": {
            "observations": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 8},
            "title": {"type": "string"},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "potential_threat_level": {"type": "integer", "minimum": 0, "maximum": 2},
        },
        "required": ["observations", "title", "confidence", "potential_threat_level"],
        "additionalProperties": False,
    }
    completion = server.chat(user("Review", photo("coffee")), response_format=schema_format(schema)).json()
    assert completion["json_report"]["valid"] is True, completion


@pytest.mark.parametrize(
    "response_format",
    [
        {"type": "json_object", "schema": SCHEMA},
        {"type": "json_schema", "schema": SCHEMA},
        {"type": "json_schema", "name": "picture", "schema": SCHEMA, "strict": True},
        {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
    ],
)
def test_a_schema_counts_wherever_it_stands(response_format: Any, server: Server) -> None:
    completion = server.chat(QUESTION, response_format=response_format).json()
    assert set(json.loads(completion["choices"][0]["message"]["content"])) == set(SCHEMA["required"])


@pytest.mark.parametrize("schema", [{"type": "string", "enum": ["day", "night"]}, {"type": "boolean"}])
def test_an_answer_that_is_one_value(schema: Any, server: Server) -> None:
    """Ollama's users ask so for a choice or a yes."""
    completion = server.chat(QUESTION, response_format=schema_format(schema)).json()
    assert completion["json_report"]["valid"] is True
    assert completion["json_report"]["attempts"] == 1
    jsonschema_rs.validate(schema, json.loads(completion["choices"][0]["message"]["content"]))


def test_many_pictures_each_with_a_json_answer(server: Server) -> None:
    images = [QUESTION["content"][1]["image_url"]["url"]] * 2
    body = {"images": images, "prompt": "Describe it.", "response_format": schema_format(), "temperature": 0}
    results = server.http.post("/v1/vision/analyze", json=body).json()["results"]
    assert [set(json.loads(result["analysis"])) for result in results] == [set(SCHEMA["required"])] * 2
    good = {"valid": True, "repaired": False, "attempts": 1, "problem": None}
    assert [result["json_report"] for result in results] == [good] * 2


@pytest.mark.parametrize(
    ("response_format", "param"),
    [
        ({"type": "json_schema"}, "response_format.json_schema"),
        (schema_format("text"), "response_format.json_schema.schema"),
        (schema_format({"type": 5}), "response_format.json_schema.schema"),
        (schema_format({"type": "banana"}), "response_format.json_schema.schema"),
        (schema_format({"properties": []}), "response_format.json_schema.schema"),
        (schema_format({"$ref": "http://127.0.0.1/x"}), "response_format.json_schema.schema"),
        (schema_format({"$ref": "#/nowhere"}), "response_format.json_schema.schema"),
        (schema_format({"required": [[]]}), "response_format.json_schema.schema"),
        (schema_format({"description": "x" * 300_000}), "response_format.json_schema.schema"),
    ],
)
def test_formats_that_are_none(response_format: Any, param: str, server: Server) -> None:
    response = server.chat(QUESTION, response_format=response_format)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param


def test_the_order_is_the_end_of_the_one_system_message(server: Server) -> None:
    server.chat({"role": "system", "content": "Be kind."}, QUESTION, response_format={"type": "json_object"})
    prompt = [entry for entry in server.journal() if entry["event"] == "generate"][-1]["prompt"]
    assert prompt.startswith("<|im_start|>system\nBe kind.\n\nAnswer with one JSON object")
    assert prompt.count("<|im_start|>system") == 1


def test_it_can_be_refused_in_langchains_words(make_server: Any) -> None:
    server = make_server(config={"api": {"json_mode": "refuse"}}).start()
    for wanted in ({"type": "json_object"}, schema_format()):
        response = server.chat(QUESTION, response_format=wanted)
        assert response.status_code == 400
        message = response.json()["error"]["message"]
        assert f"'response_format' of type '{wanted['type']}' is not supported with this model" in message
    assert server.answer(QUESTION, response_format={"type": "text"})
    tool = {"type": "function", "function": {"name": "tell"}}
    response = server.chat(QUESTION, tools=[tool], tool_choice="required")
    assert (response.status_code, response.json()["error"]["param"]) == (400, "tool_choice")
    assert "tool_calls" not in server.chat(QUESTION, tools=[tool]).json()["choices"][0]["message"]


def test_a_request_counts_once_however_often_the_model_was_asked(make_server: Any) -> None:
    server = make_server().start()
    impossible = {"type": "object", "properties": {"x": False}, "required": ["x"]}
    completion = server.chat(QUESTION, response_format=schema_format(impossible)).json()
    assert completion["json_report"]["attempts"] == 2
    server.wait_for(
        lambda: 'request_success_total{finished_reason="stop"} 1.0' in server.http.get("/metrics").text
    )


def test_a_service_without_the_means_to_check_is_overloaded(make_server: Any) -> None:
    server = make_server().start()
    assert server.answer(QUESTION)  # whatever is opened once is open
    open_files = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (open_files, 4096))
    for wanted in ({"type": "json_object"}, schema_format()):
        response = server.chat(QUESTION, response_format=wanted)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "overloaded")
        assert response.headers["retry-after"]
    assert "Traceback" not in server.log()
