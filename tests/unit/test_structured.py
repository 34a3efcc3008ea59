"""Finding JSON in what a small model writes, and checking it against a schema."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hailo_vision.inference.json_schema import Checker, SchemaError
from hailo_vision.inference.structured import find


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
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ('{"a": "}"}', {"a": "}"}),
        ("[1, 2]", [1, 2]),
        ('{"ü": "👍"}', {"ü": "👍"}),
    ],
)
def test_json_is_found_and_mended(text: str, value: Any) -> None:
    found = find(text)
    assert found
    assert found[1] == value == json.loads(found[0])


@pytest.mark.parametrize("text", ["", "No.", "{", '{"a": ', '{"a": NaN}', "{'a': {1}}", "[" * 5000, "{a b}"])
def test_where_there_is_none(text: str) -> None:
    assert find(text) is None


@given(st.text(alphabet="{}[]\",:`\\jsonabc019.-\n 'Tru", max_size=60))
def test_whatever_is_found_is_json(text: str) -> None:
    found = find(text)
    if found:
        assert json.loads(found[0]) == found[1]


_SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "bb"]) | st.just(1.5)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    bound = st.integers(-2, 2)
    size = st.integers(0, 2)
    types = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"])
    return st.fixed_dictionaries(
        {},
        optional={
            "type": types | st.lists(types, min_size=1, unique=True),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "additionalProperties": st.booleans() | inner,
            "items": inner,
            "enum": st.lists(_SCALARS, min_size=1, max_size=3),
            "const": _SCALARS,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "minimum": bound,
            "maximum": bound,
            "exclusiveMinimum": bound,
            "exclusiveMaximum": bound,
            "minLength": size,
            "maxLength": size,
            "minItems": size,
            "maxItems": size,
            "$ref": st.just("#/$defs/d"),
        },
    )


@given(
    _VALUES,
    st.recursive(st.booleans() | st.just({}), _schemas, max_leaves=6),
    st.sampled_from([True, {"type": "string"}]),
)
def test_the_checker_agrees_with_the_reference_library(value: Any, schema: Any, definition: Any) -> None:
    whole = {"allOf": [schema], "$defs": {"d": definition}}
    assert (Checker(whole).problem(value) == "") == Draft202012Validator(whole).is_valid(value)


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
        {"items": [{}]},
    ],
)
def test_schemas_that_are_none(schema: Any) -> None:
    with pytest.raises(SchemaError):
        Checker(schema)


def test_work_is_bounded() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"items": deep}
    with pytest.raises(SchemaError, match="too deep"):
        Checker(deep)
    loop = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
    assert "too" in Checker(loop).problem(1)
