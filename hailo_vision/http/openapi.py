"""GET /openapi.json: the description of the API, made from the types that requests and answers are of.

A type says itself what its fields mean (doc); each dialect describes its routes.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from hailo_vision import __version__
from hailo_vision.http.dialect import Dialect, Route

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


@lru_cache(maxsize=1)  # it holds the event loop up for 20 ms, and everybody may ask
def document(dialects: Sequence[Dialect], keys_required: bool) -> bytes:
    """The OpenAPI 3.1 document as JSON; keys_required: whether requests need an API key."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Any] = {}
    for dialect in dialects:
        components |= _components(dialect)
        for route in dialect.routes:
            if route.summary:
                paths.setdefault(route.label, {})[route.method.lower()] = _operation(route, dialect)
    schemes = {"key": {"type": "http", "scheme": "bearer"}}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Hailo Vision", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": schemes if keys_required else {}},
        "security": [{"key": []}] if keys_required else [],
    }
    return msgspec.json.encode(whole)


def _components(dialect: Dialect) -> dict[str, Any]:
    """The schemas of a dialect's types, each field with its sentence."""
    types: dict[type, None] = {dialect.error: None}
    for route in dialect.routes:
        others = [kind for _, kind in route.also.values()]
        for kind in (route.request, route.answer, route.event, *others):
            if kind is not None:
                types[kind] = None
    template = f"#/components/schemas/{dialect.type_prefix}{{name}}"
    _, schemas = msgspec.json.schema_components(types, ref_template=template)
    for schema in schemas.values():
        for field_name, value in schema.get("properties", {}).items():
            if "description" not in value and field_name in _FIELDS:
                value["description"] = _FIELDS[field_name]
    return {f"{dialect.type_prefix}{name}": schema for name, schema in schemas.items()}


def _operation(route: Route, dialect: Dialect) -> dict[str, Any]:
    def content(kind: type) -> dict[str, Any]:
        return {"application/json": {"schema": _reference(kind, dialect)}}

    whole = content(route.answer) if route.answer else {"text/plain": {"schema": {"type": "string"}}}
    if route.event:
        line = _reference(route.event, dialect)
        if dialect.stream == "text/event-stream":
            # One event: its data is JSON text or, at the end of some streams, the word [DONE].
            data = {"type": "string", "contentSchema": line}
            line = {"type": "object", "properties": {"data": data}, "required": ["data"]}
        whole[dialect.stream] = {"schema": line}
    parameters = re.findall(r"{(\w+)}", route.label)
    refusals = {
        *(_BODY_REFUSALS if route.request else ()),
        *(_GENERATION_REFUSALS if route.generates else ()),
        *(() if route.open else ["401"]),
        *(["404"] if parameters else ()),
    }
    responses: dict[str, Any] = {"200": {"description": "The answer", "content": whole}}
    for status in sorted(refusals):
        responses[status] = {"description": _REFUSALS[status], "content": content(dialect.error)}
    for status, (sentence, kind) in route.also.items():
        responses[status] = {"description": sentence, "content": content(kind)}
    described: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.tag],
        "responses": responses,
    }
    if parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in parameters
        ]
    if route.request:
        body = {"schema": _reference(route.request, dialect), "example": route.example}
        described["requestBody"] = {"required": True, "content": {"application/json": body}}
    if route.open:
        described["security"] = []
    return described


def _reference(kind: type, dialect: Dialect) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{dialect.type_prefix}{kind.__name__}"}
