"""Finding JSON in what a small model writes, and checking it against a schema."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailo_vision.errors import Kind, RequestError
from hailo_vision.inference import json_check
from hailo_vision.inference.answer import Answer, FinishReason, Generation, Timings, Usage, whole_text
from hailo_vision.inference.json_check import Finding, SchemaError, check, check_schema, find, validator
from hailo_vision.inference.request import GenerationRequest, JsonFormat, Turn
from hailo_vision.inference.structured import StructuredAnswer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a": 1}\n```\nThat is it.', {"a": 1}),
        ('```json\n{"a": 1}', {"a": 1}),
        ('Here it is: {"a": {"b": [1, 2]}} I hope it helps {you}.', {"a": {"b": [1, 2]}}),
        ('{"a": [1, 2,], "b": {"c": 3,},}', {"a": [1, 2], "b": {"c": 3}}),
        ("{'a': True, 'b': None}", {"a": True, "b": None}),
        ("{1: 'cat'}", {"1": "cat"}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ('{"a": "}"}', {"a": "}"}),
        ('{"a": "cut of', {"a": "cut of"}),
        ("[1, 2]", [1, 2]),
        ('{"a": "```json\\n[1]\\n```"}', {"a": "```json\n[1]\n```"}),
        ('As in [1]:\n```json\n{"a": 1}\n```', {"a": 1}),
        ('```\nmake it\n```\n{"a": 1} or {"a": 2}', {"a": 1}),
        ('{"ü": "👍"}', {"ü": "👍"}),
        ('{"a": "\\ud83d\\udc4d \\ud83d"}', {"a": "👍 \ufffd"}),
        ('{"a": "\\ud83d\\udc4d \\ud83d",}', {"a": "👍 \ufffd"}),
    ],
)
def test_json_is_found_and_mended(text: str, value: Any) -> None:
    found = find(text)
    assert not found.problem
    assert json.loads(found.content) == value


@pytest.mark.parametrize("text", ["", "No.", "{", '{"a": 1e999,}', '{"a": -1e999}', "[" * 5000, '"text"'])
def test_where_there_is_none(text: str) -> None:
    assert find(text).problem == "the answer holds no JSON object"
    assert find(text).content == text


@given(st.text(alphabet="{}[]\",:`\\jsonabc019.-\n 'Tru", max_size=60))
def test_whatever_is_found_is_json(text: str) -> None:
    found = find(text)
    if not found.problem:
        json.loads(found.content, parse_constant=lambda name: pytest.fail(name))


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"prefixItems": [{"const": 1}], "items": False}, [1], [1, 2]),
        ({"items": [{"type": "string"}]}, ["a"], [1]),  # draft 7 without saying so
        ({"$ref": "#a", "$defs": {"x": {"$anchor": "a", "type": "array"}}}, [], {}),
        ({"$ref": "#/anyOf/0", "anyOf": [{"type": "array"}]}, [], {}),
        ({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "array"}}}, [], {}),
        ({"properties": {"a": {"minLength": 2.0}}}, {"a": "xy"}, {"a": "x"}),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"x": 1}, {"y": 1}),
        ({"const": [1]}, [1], [True]),
        ({"not": {"required": ["a"]}}, {}, {"a": 1}),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"properties": {"a": {"multipleOf": 0.1}}}, {"a": 0.3}, {"a": 0.35}),
        ({"minProperties": 1}, {"a": 1}, {}),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, {"a": 1}, {"b": 1}),
        ({"properties": {"a": {"pattern": "^(?=x)[a-z]+$"}}}, {"a": "xy"}, {"a": "ax"}),
    ],
)
def test_schemas_are_understood_whole(schema: Any, good: Any, bad: Any) -> None:
    assert find(json.dumps(good), schema).problem == ""
    assert find(json.dumps(bad), schema).problem.startswith("answer")


@pytest.mark.parametrize(
    ("schema", "text", "content"),
    [
        ({"type": "string", "enum": ["day", "night"]}, ' "day"\n', '"day"'),
        ({"type": "string", "enum": ["day", "night"]}, "day", '"day"'),
        ({"enum": ["day", "night"]}, '```json\n"day"\n```', '"day"'),
        ({"type": "integer"}, "5", "5"),
        ({"type": ["boolean", "null"]}, "null", "null"),
    ],
)
def test_a_schema_may_ask_for_no_object(schema: Any, text: str, content: str) -> None:
    assert find(text, schema) == Finding(content, repaired=content != text.strip())


@pytest.mark.parametrize(
    "schema", [{"type": "object"}, {}, {"required": ["a"]}, {"type": "string", "enum": ["day"]}]
)
def test_a_text_is_no_object(schema: Any) -> None:
    assert find("night", schema).problem == "the answer holds no JSON object"


def test_a_problem_names_its_place() -> None:
    schema = {"properties": {"tags": {"items": {"type": "string"}}}}
    assert find('{"tags": ["a", 5]}', schema).problem == 'answer.tags[1]: 5 is not of type "string"'
    long = {"properties": {"key" * 9000: {"type": "null"}}}
    assert len(find(json.dumps({"key" * 9000: "text" * 9000}), long).problem) < 500


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "banana"},
        {"type": ["string", 5]},
        {"properties": {"a": 5}},
        {"required": [1]},
        {"enum": "x"},
        {"minimum": True},
        {"$ref": "https://example.com/x"},
        {"$ref": "#/$defs/none"},
        {"pattern": "(x{1000}){1000}"},
    ],
)
def test_schemas_that_are_none(schema: Any) -> None:
    with pytest.raises(SchemaError):
        validator(schema)


def test_nothing_outside_of_a_schema_is_read(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text("{}")
    with pytest.raises(SchemaError, match="Retrieval is disabled"):
        validator({"$ref": (tmp_path / "good.json").as_uri()})


async def test_some_schemas_of_late_are_known_to_be_good(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def checked(_: None, schema: Any) -> Finding:
        asked.append(schema)
        return Finding("")

    monkeypatch.setattr(json_check, "check", checked)
    for schema in (schemas := [{"title": f"of {number}"} for number in range(200)]):
        await check_schema(schema)
    assert asked == schemas
    await check_schema(schemas[-1])
    assert asked == schemas
    await check_schema(schemas[0])
    assert asked == [*schemas, schemas[0]]


def test_a_schema_may_be_deep_but_not_endlessly() -> None:
    def nested(depth: int) -> Any:
        return {"items": nested(depth - 1)} if depth else {"type": "string"}

    assert find("[" * 40 + '"a"' + "]" * 40, nested(40)).problem == ""
    with pytest.raises(SchemaError):
        validator(nested(900))


async def test_a_schema_that_is_too_deep_to_be_written_is_refused() -> None:
    """What can still be read may be nested one level too deeply to be written again."""
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"not": schema}
    with pytest.raises(SchemaError, match="nested too deeply"):
        await check_schema(schema)
    wanted = GenerationRequest(turns=[], where="messages", json=JsonFormat(schema, "format"))
    with pytest.raises(RequestError, match="nested too deeply") as refused:
        StructuredAnswer(lambda _: pytest.fail("was asked"), wanted)
    assert (refused.value.kind, refused.value.where) == (Kind.INVALID_SCHEMA, "format")


async def test_half_a_surrogate_pair_is_checked_like_any_text() -> None:
    schema = {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    assert not (await check('{"a": "\\ud83d"}', schema)).problem
    assert (await check('{"b": "\\ud83d"}', schema)).problem.startswith("answer.b: ")


async def test_work_is_bounded() -> None:
    levels = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n - 1}"}] * 2} for n in range(1, 60)}
    schema = {"$ref": "#/$defs/d59", "$defs": {"d0": {"type": "string"}, **levels}}
    assert await check("{}", schema) == Finding("{}", problem="checking the answer takes too long")
    assert (await check("{'" * 40_000, None)).problem == "checking the answer takes too long"
    assert (await check('{"a": 1}', {"required": ["a"]})).problem == ""
    with pytest.raises(SchemaError, match="checking the schema takes too long"):
        await check_schema({"patternProperties": {rf"\p{{L}}{{100}}{n}": {} for n in range(2000)}})


async def test_two_are_at_work_at_most() -> None:
    """Each may take half a gigabyte of memory."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    others = children.read_text().split()
    checks = [asyncio.create_task(check('{"a": 1}', None)) for _ in range(6)]
    most = 0
    while not all(task.done() for task in checks):
        most = max(most, len(children.read_text().split()) - len(others))
        await asyncio.sleep(0.001)
    assert 0 < most <= 2
    assert not any(task.result().problem for task in checks)


async def test_what_is_wrong_with_a_schema_names_its_place() -> None:
    for _ in range(2):
        await check_schema({"type": "object"})
        with pytest.raises(SchemaError, match=r"schema\.properties\.a\.minimum: true is not"):
            await check_schema({"properties": {"a": {"minimum": True}}})


class Said:
    """A generation with a given text."""

    finish_reason: FinishReason = "stop"
    usage = Usage(20, 4, 2, 10)
    timings = Timings(1.0, 0.5, 2.0, 3.0)

    def __init__(self, text: str) -> None:
        self._text = text

    async def texts(self) -> AsyncGenerator[list[str], None]:
        yield [self._text]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (['"a": {"b": 1}, "c": 2}'], '"a": {"b": 1}, "c": 2}'),
        (["No.", '{"c": 3}'], '{"c": 3}'),
    ],
)
async def test_an_answer_that_was_begun_is_json_with_its_beginning(said: list[str], answer: str) -> None:
    """The client puts its own text before what comes back."""
    asked: list[GenerationRequest] = []

    def ask(request: GenerationRequest) -> Answer:
        asked.append(request)
        return Answer(cast(Generation, Said(said[len(asked) - 1])))

    turns = [Turn("user", ["Is it day?"]), Turn("assistant", ["{"])]
    wanted = JsonFormat({"type": "object", "required": ["c"]}, "format")
    structured = StructuredAnswer(ask, GenerationRequest(turns=turns, where="messages", json=wanted))
    assert await whole_text(structured) == answer
    assert structured.report
    assert structured.report.valid
    assert [turn.role for turn in asked[-1].turns].count("assistant") == 1
    times = len(said)
    assert structured.usage == Usage(20 * times, 4 * times, 2 * times, 10 * times)
    assert structured.timings == Timings(1.0 * times, 0.5 * times, 2.0 * times, 3.0 * times)
