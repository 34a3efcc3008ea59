"""Forced tools: a client that forces a function call wants an object of the function's parameters.

So the model is asked for JSON that fits the parameters' schema, and the answer is written as a call. A model
of 2 billion parameters does not choose well among tools, so where it is free to choose it answers in text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from hailo_vision.config import ApiConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import convert, invalid, unsupported
from hailo_vision.http.openai.request_types import MOST_TOOLS, AllowedTools, Function
from hailo_vision.inference.request import JsonFormat

_FREE = (None, "none", "auto")


class _Call(msgspec.Struct, frozen=True):
    """What the model writes where it may choose; the arguments as they stand there."""

    name: str
    arguments: msgspec.Raw


@dataclass(frozen=True)
class ForcedTools:
    """The functions of which one has to be called.

    Attributes:
        where: the field of the request that holds them.
        named: the client itself chose the one.
    """

    functions: Sequence[Function]
    where: str
    named: bool

    @property
    def json(self) -> JsonFormat:
        """The form of the answer: the one function's arguments, or a name and its arguments."""
        if len(self.functions) == 1:
            (function,) = self.functions
            order = f"Give the arguments for a call of the function {_described(function)}."
            return JsonFormat(_arguments(function), self.where, order)
        calls = [
            {
                "type": "object",
                "properties": {
                    "name": {"const": function.name},
                    # An identity of its own keeps the references inside the parameters right.
                    "arguments": _with_identity(f"urn:function:{number}", _arguments(function)),
                },
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for number, function in enumerate(self.functions)
        ]
        names = "; ".join(map(_described, self.functions))
        return JsonFormat(
            {"type": "object", "anyOf": calls}, self.where, f"Call one of these functions: {names}."
        )

    def call(self, text: str) -> tuple[str, str]:
        """The name and the arguments (JSON text) that an answer gives."""
        if len(self.functions) == 1:
            return self.functions[0].name, text
        try:
            call = msgspec.json.decode(text, type=_Call)
        except (msgspec.DecodeError, RecursionError):
            return self.functions[0].name, text  # json_report says that it is no call
        return call.name, bytes(call.arguments).decode()


def forced(
    choice: str | Mapping[str, Any] | None,
    tools: Sequence[Mapping[str, Any]] | None,
    api: ApiConfig,
    where: str = "tools",
    choice_where: str = "tool_choice",
) -> ForcedTools | None:
    """The tools of which one has to be called; None where the model may do without.

    Args:
        choice: "none", "auto", "required", a named function in any of OpenAI's forms, or allowed_tools.
        where, choice_where: the fields of the request that hold tools and choice.

    Raises:
        RequestError: the choice names a function that is not among the tools, or one is malformed; or the
            operator wants no answers in JSON.
    """
    names: list[str] | None = None
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        inner = choice.get("allowed_tools")  # chat completions' form; in Responses they stand in the choice
        place = choice_where if inner is None else f"{choice_where}.allowed_tools"
        allowed: AllowedTools = convert(choice if inner is None else inner, AllowedTools, place)
        choice, names = allowed.mode, [_name(one) for one in allowed.tools or ()]
    if choice in _FREE:
        return None
    named = isinstance(choice, Mapping)
    if isinstance(choice, Mapping):
        names = [_name(choice)]
    elif choice not in ("required", "any"):
        raise invalid(choice_where, "expected 'none', 'auto', 'required' or a function")
    if len(tools or ()) > MOST_TOOLS:
        raise invalid(where, f"expected at most {MOST_TOOLS} tools")
    functions = [
        _function(tool, f"{where}[{number}]")
        for number, tool in enumerate(tools or ())
        if tool.get("type", "function") == "function"  # others are the provider's own, such as web_search
    ]
    found = [one for one in functions if names is None or one.name in names]
    if not found:
        message = f"'{choice_where}' forces a call of a function that '{where}' does not have."
        raise RequestError(Kind.INVALID_VALUE, message, where=choice_where)
    if api.json_mode == "refuse":
        message = f"This model calls no tools: {choice_where} can be 'none' or 'auto'."
        raise unsupported(choice_where, message)
    return ForcedTools(found, where, named)


def _name(choice: Mapping[str, Any]) -> str:
    """The function's name in {"type": "function", "function": {"name"}}, or {"type": "function", "name"}."""
    inner = choice.get("function")
    return str(inner.get("name")) if isinstance(inner, Mapping) else str(choice.get("name"))


def _function(tool: Mapping[str, Any], where: str) -> Function:
    if "function" in tool:
        tool, where = tool["function"], f"{where}.function"
    function: Function = convert(tool, Function, where)
    return function


def _arguments(function: Function) -> dict[str, Any]:
    """The schema of a function's arguments, which are an object also where its parameters do not say so."""
    return {"type": "object", **(function.parameters or {})}


def _with_identity(identity: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema to be part of another one. In draft 7 a reference hides what stands beside it, the identity by
    which it is resolved included: so it moves inwards."""
    schema = {"$id": identity, **schema}
    if "$ref" in schema and "allOf" not in schema:
        schema["allOf"] = [{"$ref": schema.pop("$ref")}]
    return schema


def _described(function: Function) -> str:
    return f"{function.name} ({function.description})" if function.description else function.name
