"""Answers in JSON from a model that can't be held to it: asked for, found in the text, mended, checked.

HailoRT gives neither logits nor a hook for grammars, so nothing can be enforced. The schema goes into
the prompt; what comes back is checked, once the model is asked again, and the response says how it came
out (json_report).
"""

import ast
import json
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

from hailo_vision.errors import InvalidRequest
from hailo_vision.http.openai.answer_types import FinishReason, JsonReport, Performance, Timings, Usage, total
from hailo_vision.http.openai.request_types import JsonObjectFormat, JsonSchemaFormat, ResponseFormat
from hailo_vision.inference.conversation import Conversation
from hailo_vision.inference.generation import Generation
from hailo_vision.inference.json_schema import Checker, SchemaError
from hailo_vision.inference.prompt import Turn

Ask = Callable[[Conversation], Generation]

_ATTEMPTS = 2
_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_ORDER = "Answer with one JSON object and nothing else: no explanation, no code fence."


def refuse(response_format: ResponseFormat | None) -> None:
    """Say that the model has no such mode, in the words by which LangChain knows to do without.

    Raises:
        InvalidRequest: another format than text is asked for.
    """
    if isinstance(response_format, JsonObjectFormat | JsonSchemaFormat):
        kind = "json_object" if isinstance(response_format, JsonObjectFormat) else "json_schema"
        raise InvalidRequest(
            f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model.",
            code="unsupported_parameter",
            param="response_format",
        )


class JsonAnswer:
    """An answer that is to be JSON; the same to its reader as a Generation, but its text comes at once.

    Attributes:
        generations: one for each attempt; the last one's is the answer.
        report: how it came out; valid once texts() is through.
    """

    def __init__(
        self, ask: Ask, conversation: Conversation, response_format: JsonObjectFormat | JsonSchemaFormat
    ) -> None:
        """Ask the model.

        Raises:
            InvalidRequest: the schema is none.
            ApiError: as Service.generate.
        """
        self._ask = ask
        schema = None
        if isinstance(response_format, JsonSchemaFormat):
            schema = response_format.json_schema.schema_
        try:
            self._checker = Checker(schema if schema is not None else {"type": "object"})
        except SchemaError as error:
            raise InvalidRequest(
                f"Invalid schema for response_format: {error}.",
                code="invalid_schema",
                param="response_format.json_schema.schema",
            ) from error
        self._conversation = _with_order(conversation, schema)
        self.generations = [ask(self._conversation)]
        self.report: JsonReport | None = None

    async def texts(self) -> AsyncGenerator[list[str], None]:
        """The whole answer, once it is there.

        Raises:
            ApiError: as Generation.texts.
        """
        text = await self.generations[-1].text()
        found, repaired, problem = self._find(text)
        # An answer that was cut off would be cut off again.
        while problem and len(self.generations) < _ATTEMPTS and self.finish_reason == "stop":
            self.generations.append(self._ask(_once_more(self._conversation, text, problem)))
            text = await self.generations[-1].text()
            found, repaired, problem = self._find(text)
        self.report = JsonReport(not problem, repaired, len(self.generations), problem or None)
        yield [found]

    async def text(self) -> str:
        return "".join([text async for texts in self.texts() for text in texts])

    def _find(self, text: str) -> tuple[str, bool, str]:
        """The JSON in an answer, whether it had to be mended, and what is wrong with it ("" if nothing)."""
        found = find(text)
        if found is None:
            return text, False, "the answer holds no JSON object"
        content, value = found
        return content, content != text.strip(), self._checker.problem(value)

    @property
    def finish_reason(self) -> FinishReason:
        return self.generations[-1].finish_reason

    def usage(self) -> Usage:
        """Of all attempts together."""
        return total([generation.usage() for generation in self.generations])

    def timings(self) -> Timings:
        return self.generations[-1].timings()

    def performance(self, load_seconds: float) -> Performance:
        return self.generations[-1].performance(load_seconds)


def find(text: str) -> tuple[str, Any] | None:
    """The JSON value in a text that may hold more, as text and as value; mended if need be."""
    fenced = _FENCE.search(text)
    for candidate in ([fenced[1]] if fenced else []) + [text]:
        start = re.search(r"[{\[]", candidate)
        if start is None:
            continue
        body = candidate[start.start() :].rstrip()
        try:
            value, end = json.JSONDecoder(parse_constant=_no_constant).raw_decode(body)
            return body[:end], value
        except (ValueError, RecursionError):
            pass
        value = _mend(body[: max(body.rfind("}"), body.rfind("]")) + 1])
        if isinstance(value, dict | list):
            return json.dumps(value, ensure_ascii=False), value
    return None


def _mend(body: str) -> object:
    """JSON with the usual slips of small models: trailing commas, raw line breaks, Python's spelling."""
    try:
        return json.loads(_TRAILING_COMMA.sub("", body), strict=False, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        pass
    try:
        value = ast.literal_eval(body)
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _with_order(conversation: Conversation, schema: dict[str, Any] | None) -> Conversation:
    """The conversation with the order to answer in JSON at the end of its system turn."""
    order = _ORDER
    if schema:
        order += f" It must fit this JSON schema: {json.dumps(schema, ensure_ascii=False)}"
    turns = list(conversation.turns)
    if turns and turns[0].role == "system":
        turns[0] = Turn("system", [*turns[0].content, f"\n\n{order}"])
    else:
        turns.insert(0, Turn("system", [order]))
    return Conversation(turns, conversation.images)


def _once_more(conversation: Conversation, text: str, problem: str) -> Conversation:
    turns = [
        *conversation.turns,
        Turn("assistant", [text]),
        Turn("user", [f"That can't be used: {problem}. {_ORDER}"]),
    ]
    return Conversation(turns, conversation.images)
