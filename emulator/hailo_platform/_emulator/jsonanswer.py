"""JSON answers: values that fit a schema found in the prompt, filled from what the frames show."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from hailo_platform._emulator.phrases import Composer, Slot, light_words, texture_words
from hailo_platform._emulator.reading import Reading, words_of
from hailo_platform._emulator.vision import Percept

_DEPTH = 6


def wanted(reading: Reading) -> bool:
    """Whether the conversation asks for JSON."""
    return any("json" in words_of(turn.text) for turn in reading.turns if turn.role != "assistant")


def compose(reading: Reading) -> Composer:
    """The answer as JSON; sampling may put it into a fenced block, greedy decoding never does."""
    texts = [turn.text for turn in reading.turns if turn.role != "assistant"]
    schema = next((s for text in reversed(texts) for s in _schemas(text)), None)
    value = _Filler(reading).value("answer", schema, _DEPTH) if schema else _plain(reading)
    fence = yield Slot(("", "```json\n"), order=True)
    yield from _dump(value, 0)
    if fence:
        yield Slot(("\n```",))


def _schemas(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects in a text that look like a JSON schema."""
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            found, end = decoder.raw_decode(text, position)
        except ValueError:
            end = position + 1
        else:
            found = found.get("schema", found) if isinstance(found, dict) else None
            if isinstance(found, dict) and ("properties" in found or "type" in found or "$ref" in found):
                yield found
        position = text.find("{", end)


def _plain(reading: Reading) -> dict[str, Any]:
    if not reading.frames:
        return {"answer": " ".join(reading.question.text.split()[:12])}
    frame = reading.frames[-1]
    return {
        "description": _sentence(frame),
        "main_color": frame.main,
        "colors": [n for n, _ in frame.shares],
        "brightness": light_words(frame),
        "images": len(reading.frames),
    }


def _sentence(frame: Percept) -> str:
    colour, percent = frame.shares[0]
    return f"A mostly {colour} picture ({percent} percent), {light_words(frame)} and {texture_words(frame)}"


def _dump(value: Any, depth: int) -> Composer:
    """Yield JSON text in small steps, each beginning at a mark or a space."""
    if isinstance(value, dict) and value:
        yield Slot(("{",))
        for index, (key, item) in enumerate(value.items()):
            comma = "," if index else ""
            yield Slot((f"{comma}\n{'  ' * (depth + 1)}{json.dumps(key, ensure_ascii=False)}:",))
            if isinstance(item, dict | list) and item:
                yield Slot((" ",))
            yield from _dump(item, depth + 1)
        yield Slot((f"\n{'  ' * depth}}}",))
    elif isinstance(value, list) and value:
        yield Slot(("[",))
        for index, item in enumerate(value):
            if index:
                yield Slot((",",))
            yield from _dump(item, depth + 1)
        yield Slot(("]",))
    else:
        yield Slot((" " + json.dumps(value, ensure_ascii=False),))


class _Filler:
    """Fills a JSON schema with plausible values."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._frame = reading.frames[-1] if reading.frames else None
        self._root: dict[str, Any] = {}

    def value(self, name: str, schema: dict[str, Any], depth: int) -> Any:
        """A value for a property called `name`; deeper than `depth` levels null."""
        self._root = self._root or schema
        schema = self._resolved(schema)
        if depth <= 0:
            return None
        for key in ("anyOf", "oneOf", "allOf"):
            if schema.get(key):
                return self.value(name, schema[key][0], depth - 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._one_of(name, schema["enum"])
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = kind[0]
        if kind == "object":
            properties = schema.get("properties", {})
            return {
                key: self.value(key, sub, depth - 1)
                for key, sub in properties.items()
                if isinstance(sub, dict)
            }
        if kind == "array":
            return self._list(name, schema, depth)
        return self._scalar(name, kind, schema)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref", "")
        target: Any = self._root
        if not reference.startswith("#/"):
            return schema
        for part in reference[2:].split("/"):
            target = target.get(part, {}) if isinstance(target, dict) else {}
        return target if isinstance(target, dict) else {}

    def _list(self, name: str, schema: dict[str, Any], depth: int) -> list[Any]:
        declared = schema.get("items")
        items: dict[str, Any] = declared if isinstance(declared, dict) else {"type": "string"}
        if "colo" in name.lower() and self._frame and items.get("type") == "string" and "enum" not in items:
            return [colour for colour, _ in self._frame.shares]
        count = min(max(schema.get("minItems", 2), 1), schema.get("maxItems", 8))
        return [self.value(f"{name}{i + 1}", items, depth - 1) for i in range(count)]

    def _scalar(self, name: str, kind: str, schema: dict[str, Any]) -> Any:
        if kind == "boolean":
            return self._roll(name, 2) == 1
        if kind == "null":
            return None
        if kind in ("integer", "number"):
            low = schema.get("minimum", 0)
            high = schema.get("maximum", low + 100)
            if "bright" in name.lower() and self._frame and low <= self._frame.brightness <= high:
                return round(self._frame.brightness)
            if "image" in name.lower() or "picture" in name.lower():
                return len(self._reading.frames)
            span = low + (high - low) * self._roll(name, 101) / 100
            return int(span) if kind == "integer" else round(float(span), 2)
        return self._text(name.lower())[: schema.get("maxLength", 400)]

    def _text(self, name: str) -> str:
        if self._frame is None:
            return " ".join(self._reading.question.text.split()[:6]) or name
        if "colo" in name:
            return self._frame.main
        if "bright" in name or "light" in name:
            return light_words(self._frame)
        if "texture" in name or "surface" in name:
            return texture_words(self._frame)
        if any(
            part in name for part in ("descri", "caption", "summary", "answer", "text", "title", "reason")
        ):
            return _sentence(self._frame)
        return (
            f"{self._frame.shares[self._roll(name, len(self._frame.shares))][0]} {name.rstrip('0123456789')}"
        )

    def _one_of(self, name: str, options: list[Any]) -> Any:
        if self._frame:
            for colour, _ in self._frame.shares:
                if colour in options:
                    return colour
        return options[self._roll(name, len(options))]

    def _roll(self, name: str, sides: int) -> int:
        seed = self._frame.identity if self._frame else self._reading.question.text
        return int(hashlib.sha256(f"{seed}{name}".encode()).hexdigest(), 16) % sides
