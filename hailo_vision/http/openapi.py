"""GET /openapi.json: the description of the API, made from the types that requests and answers are of.

A type says itself what its fields mean (doc); each dialect lists its operations.
"""

import re
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
_BODY_REFUSALS = ("400", "403", "404", "408", "413", "415")
_GENERATION_REFUSALS = ("429", "503", "504")

# What fields of many types mean; a field's own sentence comes first.
_FIELDS = {
    "attempts": "How often the model was asked.",
    "code": "A stable identifier.",
    "content": "Text, or parts of text and images in their order.",
    "created": "When it was made, in seconds since 1970.",
    "created_at": "When it was made.",
    "error": "What went wrong.",
    "finish_reason": "Why the answer ended: by itself or a stop string, by its limit, or in a forced call.",
    "id": "Identity of this object.",
    "image_url": "An image as data URI, base64 or link.",
    "index": "Place in its list.",
    "instructions": "What the model is told before the conversation.",
    "json_report": "How an answer came out that was to be JSON: it is checked, not enforced.",
    "keep_alive": 'How long the idle model stays loaded afterwards: seconds, "5m", -1 for ever.',
    "messages": "The conversation, oldest message first; an assistant's message at the end is continued.",
    "model": "Name of the model or an alias, without case.",
    "name": "A name.",
    "object": "Which kind of object this is.",
    "problem": "What is wrong; null if nothing is.",
    "repaired": "Whether it was mended: it is not, word for word, what the model wrote.",
    "repeat_penalty": "Factor against tokens that came before; 1 is off.",
    "repetition_penalty": "Factor against tokens that came before; 1 is off.",
    "role": "Whose words these are.",
    "status": "Whether it is complete, was cut by its limit, or failed.",
    "stop": "Strings that end the answer and are no part of it.",
    "system": "What the model is told before the question.",
    "system_fingerprint": "Version of the service.",
    "temperature": "How freely tokens are picked; 0 takes the likeliest each time.",
    "text": "The text.",
    "timings": "Where the time went, in llama.cpp's words.",
    "tool_choice": '"none", "auto", "required" or a function; a forced call is answered through JSON.',
    "tools": "Functions that may be called; without effect unless `tool_choice` forces a call.",
    "top_k": "So many of the likeliest tokens are in the choice; 0 or less leaves nothing out.",
    "top_p": "Only the likeliest tokens of this total probability are in the choice; 0 is greedy.",
    "type": "Which kind this is.",
    "url": "An image as data URI, base64 or link.",
    "usage": "Tokens as the model counts them.",
    "valid": "Whether the answer is JSON and fits the schema.",
}


def doc(sentence: str) -> msgspec.Meta:
    """What a field means: `prompt_tokens: Annotated[int, doc("Tokens of the prompt.")]`."""
    return msgspec.Meta(description=sentence)


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    Attributes:
        answer: the type of the whole answer; None for plain text.
        event: the type of one event or line of a streamed answer.
        generates: it asks the model, which may be busy, loading or slow.
        also: statuses whose body is another type.
        keyed: it asks for an API key, where there are any.
    """

    summary: str
    tag: str
    answer: type | None
    request: type | None = None
    example: Mapping[str, Any] | None = None
    event: type | None = None
    generates: bool = False
    also: Mapping[str, tuple[str, type]] = field(default_factory=dict)
    keyed: bool = True


@dataclass(frozen=True)
class Description:
    """A dialect's part of the document.

    Attributes:
        prefix: stands before the names of its types, which may be other dialects' too.
        error: the type of what it answers to a request that it refuses.
        operations: by method and path.
        stream: the content type of streamed answers.
    """

    prefix: str
    error: type
    operations: Mapping[tuple[str, str], Operation]
    stream: str = "text/event-stream"


def document(descriptions: Sequence[Description], keys_required: bool) -> bytes:
    """The OpenAPI 3.1 document as JSON; keys_required: whether requests need an API key."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Any] = {}
    for description in descriptions:
        components |= _components(description)
        for (method, path), operation in description.operations.items():
            paths.setdefault(path, {})[method] = _operation(path, operation, description)
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
    for schema in schemas.values():
        for field_name, value in schema.get("properties", {}).items():
            if "description" not in value and field_name in _FIELDS:
                value["description"] = _FIELDS[field_name]
    return {f"{description.prefix}{name}": schema for name, schema in schemas.items()}


def _operation(path: str, operation: Operation, description: Description) -> dict[str, Any]:
    def content(kind: type) -> dict[str, Any]:
        return {"application/json": {"schema": _reference(kind, description)}}

    whole = content(operation.answer) if operation.answer else {"text/plain": {"schema": {"type": "string"}}}
    if operation.event:
        line = _reference(operation.event, description)
        if description.stream == "text/event-stream":
            # One event: its data is JSON text or, at the end of some streams, the word [DONE].
            data = {"type": "string", "contentSchema": line}
            line = {"type": "object", "properties": {"data": data}, "required": ["data"]}
        whole[description.stream] = {"schema": line}
    parameters = re.findall(r"{(\w+)}", path)
    refusals = {
        *(_BODY_REFUSALS if operation.request else ()),
        *(_GENERATION_REFUSALS if operation.generates else ()),
        *(["401"] if operation.keyed else ()),
        *(["404"] if parameters else ()),
    }
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
    if parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in parameters
        ]
    if operation.request:
        body = {"schema": _reference(operation.request, description), "example": operation.example}
        described["requestBody"] = {"required": True, "content": {"application/json": body}}
    if not operation.keyed:
        described["security"] = []
    return described


def _reference(kind: type, description: Description) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{description.prefix}{kind.__name__}"}
