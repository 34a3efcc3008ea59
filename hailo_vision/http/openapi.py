"""GET /openapi.json: the description of the API, made from the types that requests and answers are of.

Each dialect describes its own operations and fields (its module `description`); here they become one OpenAPI
document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hailo_vision import __version__

_DESCRIPTION = """\
A vision language model on a Hailo-10H, behind OpenAI's API (chat completions and Responses, base URL
`http://HOST:PORT/v1`) and Ollama's (base URL `http://HOST:PORT`).
"""
_REFUSALS = {
    "400": "The request can't be served as it is; the error says which field is at fault",
    "401": "An API key is required, or the one given is not valid",
    "403": "The request came from a web page that the operator does not know",
    "404": "There is no such model",
    "408": "The request came too slowly",
    "413": "The request is too large",
    "415": "The body is compressed in a way that is not read here",
    "429": "The queue is full; `Retry-After` says when to ask again",
    "503": "The model is loading or the NPU has failed; `Retry-After` says when to ask again",
    "504": "The request took longer than the service allows",
}
# What any operation with a body can answer.
BODY_REFUSALS = ("400", "403", "404", "408", "413", "415")
GENERATION_REFUSALS = (*BODY_REFUSALS, "429", "503", "504")

# Sentences about fields that the parts of the description share; a part's own come first.
_FIELDS = {
    "model": "Name of the model or an alias, without case.",
    "temperature": "How freely tokens are picked; 0 takes the likeliest each time.",
    "top_p": "Only the likeliest tokens of this total probability are in the choice; 0 is greedy.",
    "keep_alive": 'How long the idle model stays loaded afterwards: seconds, "5m", -1 for ever.',
    "logprobs": "Refused where true: the NPU gives no log probabilities.",
    "messages": "The conversation, oldest message first; an assistant's message at the end is continued.",
    "role": "Whose words these are.",
    "system": "What the model is told before the question.",
    "code": "A stable identifier.",
    "ErrorResponse.error": "What went wrong.",
    "ErrorDetail.message": "What is wrong and what was expected.",
    "ErrorDetail.type": "Whose fault it is.",
    "ErrorDetail.param": "Path of the field that is at fault.",
}


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    Attributes:
        answer: the type of the whole answer; None for plain text.
        event: the type of one event (text/event-stream) or line (application/x-ndjson) of a streamed answer.
        stream: that content type.
        refusals: error statuses, whose body is the dialect's error.
        also: statuses whose body is another type.
        keyed: it asks for an API key, where there are any.
    """

    summary: str
    tag: str
    answer: type | None
    request: type | None = None
    example: Mapping[str, Any] | None = None
    event: type | None = None
    stream: str = "text/event-stream"
    refusals: Sequence[str] = ()
    also: Mapping[str, tuple[str, type]] = field(default_factory=dict)
    parameters: Sequence[Mapping[str, Any]] = ()
    keyed: bool = True


@dataclass(frozen=True)
class Description:
    """A dialect's part of the document.

    Attributes:
        prefix: stands before the names of its types, which may be other dialects' too.
        operations: by method and path.
        error: the type of what it answers to a request that it refuses.
        fields: a sentence for each field, by "Type.field" or, for all types that have it, by "field".
    """

    prefix: str
    operations: Mapping[tuple[str, str], Operation]
    error: type
    fields: Mapping[str, str]


def document(descriptions: Sequence[Description], keys_required: bool) -> bytes:
    """The OpenAPI 3.1 document as JSON; keys_required: whether requests need an API key."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Any] = {}
    for description in descriptions:
        components |= _components(description)
        for (method, path), operation in description.operations.items():
            paths.setdefault(path, {})[method] = _operation(operation, description)
    schemes = {"key": {"type": "http", "scheme": "bearer"}}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Hailo Vision", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": schemes if keys_required else {}},
        "security": [{"key": []}] if keys_required else [],
    }
    return msgspec.json.encode(whole)


def _components(description: Description) -> dict[str, Any]:
    """The schemas of a dialect's types, each field with its sentence."""
    types: dict[type, None] = {description.error: None}
    for operation in description.operations.values():
        others = [kind for _, kind in operation.also.values()]
        for kind in (operation.request, operation.answer, operation.event, *others):
            if kind is not None:
                types[kind] = None
    template = f"#/components/schemas/{description.prefix}{{name}}"
    _, schemas = msgspec.json.schema_components(types, ref_template=template)
    for name, schema in schemas.items():
        for field_name, value in schema.get("properties", {}).items():
            places = (f"{name}.{field_name}", field_name)
            found = (
                table[place] for table in (description.fields, _FIELDS) for place in places if place in table
            )
            if sentence := next(found, None):
                value.setdefault("description", sentence)
    return {f"{description.prefix}{name}": schema for name, schema in schemas.items()}


def _operation(operation: Operation, description: Description) -> dict[str, Any]:
    def content(kind: type) -> dict[str, Any]:
        return {"application/json": {"schema": _reference(kind, description)}}

    whole = content(operation.answer) if operation.answer else {"text/plain": {"schema": {"type": "string"}}}
    if operation.event:
        line = _reference(operation.event, description)
        if operation.stream == "text/event-stream":
            # One event: its data is JSON text or, at the end of some streams, the word [DONE].
            data = {"type": "string", "contentSchema": line}
            line = {"type": "object", "properties": {"data": data}, "required": ["data"]}
        whole[operation.stream] = {"schema": line}
    refusals = (*operation.refusals, *(("401",) if operation.keyed else ()))
    responses: dict[str, Any] = {"200": {"description": "The answer", "content": whole}}
    for status in sorted(refusals):
        responses[status] = {"description": _REFUSALS[status], "content": content(description.error)}
    for status, (sentence, kind) in operation.also.items():
        responses[status] = {"description": sentence, "content": content(kind)}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": responses,
    }
    if operation.parameters:
        described["parameters"] = operation.parameters
    if operation.request:
        body = {"schema": _reference(operation.request, description), "example": operation.example}
        described["requestBody"] = {"required": True, "content": {"application/json": body}}
    if not operation.keyed:
        described["security"] = []
    return described


def _reference(kind: type, description: Description) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{description.prefix}{kind.__name__}"}
