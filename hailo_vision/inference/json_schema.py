"""Does a JSON value fit a JSON schema? The part of the language that OpenAI's structured outputs use.

A library would bring a compiled dependency to the Pi, fetch remote references, and run a client's
regular expressions. Here references stay inside the schema, `pattern` and `format` are not checked, and
the work is bounded.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_MAX_DEPTH = 64
_MAX_STEPS = 20_000


class SchemaError(Exception):
    """The schema is none, or too deep or too large to be checked."""


class Checker:
    """Checks values against one schema.

    Raises:
        SchemaError: a keyword has a value that it can't have, or a reference leads nowhere.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._steps = 0
        for _ in self._walk(schema, 0):
            pass

    def problem(self, value: object) -> str:
        """What does not fit, with its place; "" if everything does."""
        self._steps = 0
        try:
            return next(self._check(value, self._root, "the answer", 0), "")
        except SchemaError as error:
            return str(error)

    def _walk(self, schema: object, depth: int) -> Iterator[None]:
        """Visit every subschema, so that a broken one is found before anything is generated."""
        self._step(depth)
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise SchemaError("a schema must be an object")
        names = schema.get("type", [])
        for name in names if isinstance(names, list) else [names]:
            if not isinstance(name, str) or name not in _TYPES:
                raise SchemaError(f"unknown type {str(name)[:40]!r}")
        for keyword, kind in _KEYWORDS.items():
            if keyword in schema and not _is(schema[keyword], kind):
                raise SchemaError(f"{keyword!r} has a value of the wrong type")
        if not all(isinstance(name, str) for name in schema.get("required", ())):
            raise SchemaError("'required' must hold names")
        if "$ref" in schema:
            self._resolve(schema["$ref"])
        for subschema in _subschemas(schema):
            yield from self._walk(subschema, depth + 1)

    def _step(self, depth: int) -> None:
        self._steps += 1
        if depth > _MAX_DEPTH or self._steps > _MAX_STEPS:
            raise SchemaError("the schema is too deep or too large")

    def _resolve(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise SchemaError("only references inside the schema are followed")
        found: Any = self._root
        for name in reference[1:].split("/")[1:]:
            key = name.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or key not in found:
                raise SchemaError(f"the reference {reference[:80]!r} leads nowhere")
            found = found[key]
        return found

    def _check(self, value: object, schema: Any, where: str, depth: int) -> Iterator[str]:
        """What does not fit, one after the other."""
        self._step(depth)
        if isinstance(schema, bool):
            if not schema:
                yield f"{where} is not allowed"
            return
        if not isinstance(schema, dict):
            raise SchemaError("a schema must be an object")
        if "$ref" in schema:
            yield from self._check(value, self._resolve(schema["$ref"]), where, depth + 1)
        yield from _check_type(value, schema, where)
        yield from _check_value(value, schema, where)
        yield from self._check_combined(value, schema, where, depth)
        if isinstance(value, dict):
            yield from self._check_object(value, schema, where, depth)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._check(item, schema.get("items", True), f"{where}[{number}]", depth + 1)

    def _check_combined(self, value: object, schema: Any, where: str, depth: int) -> Iterator[str]:
        for part in schema.get("allOf", ()):
            yield from self._check(value, part, where, depth + 1)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                fitting = [
                    part
                    for part in schema[keyword]
                    if next(self._check(value, part, where, depth + 1), None) is None
                ]
                if not fitting or (keyword == "oneOf" and len(fitting) > 1):
                    yield f"{where} fits {len(fitting)} of the schema's alternatives"

    def _check_object(self, value: dict[str, Any], schema: Any, where: str, depth: int) -> Iterator[str]:
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where} lacks {name!r}"
        for name, item in value.items():
            subschema = properties.get(name, schema.get("additionalProperties", True))
            if subschema is False:
                yield f"{where} has {name[:40]!r}, which the schema does not know"
            else:
                yield from self._check(item, subschema, f"{where}.{name[:40]}", depth + 1)


_KEYWORDS: Mapping[str, type | tuple[type, ...]] = {
    "$ref": str,
    "properties": dict,
    "$defs": dict,
    "definitions": dict,
    "required": list,
    "enum": list,
    "anyOf": list,
    "oneOf": list,
    "allOf": list,
    "minimum": (int, float),
    "maximum": (int, float),
    "exclusiveMinimum": (int, float),
    "exclusiveMaximum": (int, float),
    "minLength": int,
    "maxLength": int,
    "minItems": int,
    "maxItems": int,
}


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _subschemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    for keyword in ("properties", "$defs", "definitions"):
        yield from schema.get(keyword, {}).values()
    for keyword in ("anyOf", "oneOf", "allOf"):
        yield from schema.get(keyword, ())
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield schema[keyword]


def _check_type(value: object, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    names = schema.get("type")
    if names is None:
        return
    names = names if isinstance(names, list) else [names]
    if not any(_has_type(value, name) for name in names):
        yield f"{where} is not of type {' or '.join(names)}"


def _has_type(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _check_value(value: object, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if "enum" in schema and not any(_same(value, allowed) for allowed in schema["enum"]):
        yield f"{where} is none of the allowed values"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{where} is not the required value"
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_bounds(value, schema, where, "minimum", "maximum")
        if value <= schema.get("exclusiveMinimum", float("-inf")):
            yield f"{where} is too small"
        if value >= schema.get("exclusiveMaximum", float("inf")):
            yield f"{where} is too large"
    elif isinstance(value, str):
        yield from _check_bounds(len(value), schema, f"the length of {where}", "minLength", "maxLength")
    elif isinstance(value, Sequence):
        yield from _check_bounds(len(value), schema, f"the length of {where}", "minItems", "maxItems")


def _check_bounds(
    number: float, schema: Mapping[str, Any], where: str, least: str, most: str
) -> Iterator[str]:
    if number < schema.get(least, float("-inf")):
        yield f"{where} is below {schema[least]}"
    if number > schema.get(most, float("inf")):
        yield f"{where} is above {schema[most]}"


def _same(left: object, right: object) -> bool:
    """Equal as JSON: true is not 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)
