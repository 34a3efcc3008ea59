"""The parts of OpenAI's published OpenAPI description that this service's responses must satisfy.

After components/schemas CreateChatCompletionResponse, CreateChatCompletionStreamResponse, Error, Model,
ListModelsResponse and CompletionUsage of the public description (openai/openai-openapi, spec version
2.3.0), written down anew: names, types, required members, and enumerations. Members beyond these are
allowed there, and here.
"""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

Schema = Mapping[str, Any]

_INTEGER = {"type": "integer", "minimum": 0}
_STRING = {"type": "string"}
_NULLABLE_STRING = {"type": ["string", "null"]}


def _object(required: str, **properties: Schema) -> Schema:
    """An object schema; required are names with spaces between."""
    return {"type": "object", "required": required.split(), "properties": properties}


_USAGE = _object(
    "prompt_tokens completion_tokens total_tokens",
    prompt_tokens=_INTEGER,
    completion_tokens=_INTEGER,
    total_tokens=_INTEGER,
    prompt_tokens_details=_object(
        "", cached_tokens=_INTEGER, audio_tokens=_INTEGER, image_tokens=_INTEGER, text_tokens=_INTEGER
    ),
    completion_tokens_details=_object(
        "",
        reasoning_tokens=_INTEGER,
        audio_tokens=_INTEGER,
        accepted_prediction_tokens=_INTEGER,
        rejected_prediction_tokens=_INTEGER,
    ),
)
_FINISH = ["stop", "length", "tool_calls", "content_filter", "function_call"]

COMPLETION = _object(
    "id object created model choices",
    id={"type": "string", "pattern": "^chatcmpl-"},
    object={"const": "chat.completion"},
    created=_INTEGER,
    model=_STRING,
    system_fingerprint=_STRING,
    usage=_USAGE,
    choices={
        "type": "array",
        "minItems": 1,
        "items": _object(
            "finish_reason index message logprobs",
            finish_reason={"enum": _FINISH},
            index=_INTEGER,
            logprobs={"type": ["object", "null"]},
            message=_object(
                "role content refusal",
                role={"const": "assistant"},
                content=_NULLABLE_STRING,
                refusal=_NULLABLE_STRING,
                annotations={"type": "array"},
            ),
        ),
    },
)

CHUNK = _object(
    "id object created model choices",
    id={"type": "string", "pattern": "^chatcmpl-"},
    object={"const": "chat.completion.chunk"},
    created=_INTEGER,
    model=_STRING,
    system_fingerprint=_STRING,
    usage={"anyOf": [_USAGE, {"type": "null"}]},
    choices={
        "type": "array",
        "items": _object(
            "delta finish_reason index",
            delta=_object(
                "",
                content=_NULLABLE_STRING,
                role={"enum": ["developer", "system", "user", "assistant", "tool"]},
                refusal=_NULLABLE_STRING,
            ),
            finish_reason={"enum": [*_FINISH, None]},
            index=_INTEGER,
            logprobs={"type": ["object", "null"]},
        ),
    },
)

ERROR = _object(
    "error",
    error=_object(
        "type message param code",
        message={"type": "string", "minLength": 1},
        type=_STRING,
        param=_NULLABLE_STRING,
        code=_NULLABLE_STRING,
    ),
)

MODEL = _object(
    "id object created owned_by",
    id=_STRING,
    object={"const": "model"},
    created=_INTEGER,
    owned_by=_STRING,
)
MODELS = _object("object data", object={"const": "list"}, data={"type": "array", "items": MODEL})


def check(value: object, schema: Schema) -> None:
    """Raises:
    jsonschema.ValidationError: the value does not fit.
    """
    Draft202012Validator(schema).validate(value)
