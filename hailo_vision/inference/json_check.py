"""Finds the JSON in an answer, mends it, and checks it against a schema, in a process of its own.

A schema and a text can be made such that checking or mending them takes for ever or crashes the process; the
patterns of a schema of 3 kB can take seconds to compile. So this has a process of its own with two seconds of
processor time: `python -m hailo_vision.inference.json_check` reads one JSON object {"text", "schema"} and
prints a Finding; without a text it is about the schema itself.
"""

import asyncio
import hashlib
import json
import math
import re
import resource
import sys
from contextlib import suppress
from typing import Any

import msgspec

from hailo_vision.child_process import child_process
from hailo_vision.surrogates import without_halves

Schema = dict[str, Any] | bool

_CPU_SECONDS = 2
_SECONDS = 15  # of waiting for that, on a busy machine
_MEMORY_BYTES = 512 << 20
_turn = asyncio.Semaphore(2)  # as each may take all of that
_CHECK = (sys.executable, "-m", __name__)
_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_NO_JSON = (ValueError, RecursionError)
_KNOWN_SCHEMAS = 64
_LONGEST = 256 << 10  # bytes of a schema; fewer fit a context, and more would hold up the event loop
_good: dict[bytes, None] = {}  # by the hash of their text, the oldest first


def _finite(text: str) -> float:
    """A number as JSON has them; Python's NaN and Infinity, and what overflows to it, are refused."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a number of JSON")
    return number


_DECODER = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)


class SchemaError(Exception):
    """This is no JSON schema, or one that is not followed here; the text says why."""


class Finding(msgspec.Struct, frozen=True):
    """What was found in a text.

    Attributes:
        content: the JSON text, or the whole text if there is none in it.
        repaired: it is not, word for word, the whole text.
        problem: why it can't be used; "" if it can.
    """

    content: str
    repaired: bool = False
    problem: str = ""


def asks_for_object(schema: Schema | None) -> bool:
    """Whether an answer that fits is an object: what else it is to be, a schema says at its top."""
    if not isinstance(schema, dict):
        return True
    kinds = schema.get("type", "object")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return "object" in kinds and not {"enum", "const"} & schema.keys()


def validator(schema: Schema) -> Any:
    """The validator of a schema, of the draft that it names or else of the one that it fits.

    Raises:
        SchemaError: it is not valid, or refers to something outside of itself.
    """
    import jsonschema_rs

    reason: Exception | None = None
    for make in (jsonschema_rs.validator_for, jsonschema_rs.Draft7Validator):
        try:
            return make(schema, offline=True)
        except (ValueError, TypeError) as error:
            reason = reason or error
    if isinstance(reason, jsonschema_rs.ValidationError):
        raise SchemaError(_told("schema", reason))
    raise SchemaError(str(reason).partition("\n")[0][:300])


def text_of(schema: Schema) -> str:
    """A schema as JSON text.

    Raises:
        SchemaError: it is too long, or nested too deeply.
    """
    try:
        if (size := len(msgspec.json.encode(schema))) > _LONGEST:
            raise SchemaError(f"it has {size} bytes; expected at most {_LONGEST}")
        return json.dumps(schema, ensure_ascii=False)
    except RecursionError as error:
        raise SchemaError("it is nested too deeply") from error


async def check_schema(schema: Schema) -> None:
    """Check a schema itself; those of late that were found good are known.

    Raises:
        SchemaError: as validator and text_of; or it takes too long.
        RequestError: as check.
    """
    key = hashlib.sha256(text_of(schema).encode()).digest()
    if key in _good:
        return
    if problem := (await check(None, schema)).problem:
        raise SchemaError(problem)
    _good[key] = None
    if len(_good) > _KNOWN_SCHEMAS:
        del _good[next(iter(_good))]


async def check(text: str | None, schema: Schema | None) -> Finding:
    """Find the JSON in a text and check it; without a text, check the schema itself.

    Args:
        schema: None stands for any object or list.

    Raises:
        RequestError: nothing can be checked now.
    """
    asked = msgspec.json.encode({"text": text, "schema": schema})
    try:
        async with _turn, child_process("check JSON", *_CHECK) as process, asyncio.timeout(_SECONDS):
            said, _ = await process.communicate(asked)
        return msgspec.json.decode(said, type=Finding)
    except (TimeoutError, msgspec.DecodeError):
        what = "schema" if text is None else "answer"
        return Finding(text or "", problem=f"checking the {what} takes too long")


def find(text: str, schema: Schema | None = None) -> Finding:
    """As check(), in this process and without its bounds."""
    rules = None if schema is None else validator(schema)
    whole = without_halves(text.encode()).decode()
    scalar = None if asks_for_object(schema) else _scalar(whole.strip(), rules)
    found = _strict(whole.strip()) or _strict_within(whole) or scalar or _mended(whole)
    if found is None:
        return Finding(text, problem="the answer holds no JSON object")
    content, value = found
    repaired = content != text.strip()
    if rules is None:
        return Finding(content, repaired)
    error = next(rules.iter_errors(value), None)
    return Finding(content, repaired, _told("answer", error) if error else "")


def _strict(text: str) -> tuple[str, Any] | None:
    """A text that is an object or a list from end to end."""
    with suppress(*_NO_JSON):
        value = _DECODER.decode(text)
        if isinstance(value, dict | list):
            return text, value
    return None


def _strict_within(text: str) -> tuple[str, Any] | None:
    """The first object or list of a code fence, else of the text."""
    fenced = _FENCE.search(text)
    for candidate in (fenced[1], text) if fenced else (text,):
        if bracket := re.search(r"[{\[]", candidate):
            with suppress(*_NO_JSON):
                value, end = _DECODER.raw_decode(candidate, bracket.start())
                return candidate[bracket.start() : end], value
    return None


def _scalar(text: str, rules: Any) -> tuple[str, Any] | None:
    """A text, number, true, false or null that fits a schema; quotes that a text lacks are added."""
    fenced = _FENCE.fullmatch(text)
    bare = fenced[1] if fenced else text
    for candidate in (bare, json.dumps(bare, ensure_ascii=False)):
        with suppress(*_NO_JSON):
            value = _DECODER.decode(candidate)
            if rules.is_valid(value):
                return candidate, value
    return None


def _mended(text: str) -> tuple[str, Any] | None:
    """The text mended by json_repair: trailing commas, raw line breaks, Python's spelling, missing ends."""
    import json_repair

    with suppress(*_NO_JSON):
        value: object = json_repair.loads(text, skip_json_loads=True)
        if isinstance(value, dict | list) and value:
            # Its surrogate pairs are two characters each: only an encoder joins them.
            mended = json.dumps(value, ensure_ascii=False)
            mended = mended.encode("utf-16", "surrogatepass").decode("utf-16")
            return mended, _DECODER.decode(mended)
    return None


def _told(root: str, error: Any) -> str:
    """A validation error with its place below the root, in a form that the model can be told."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    return f"{root}{place[:200]}: {error.message[:200]}"


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    asked = json.load(sys.stdin)
    try:
        text, schema = asked["text"], asked["schema"]
        finding = find(text, schema) if text is not None else Finding(str(validator(schema)))
    except SchemaError as error:
        finding = Finding("", problem=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(finding))
    return 0


if __name__ == "__main__":
    sys.exit(main())
