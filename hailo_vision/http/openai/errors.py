"""Errors in OpenAI's form.

The body is {"error": {"message", "type", "param", "code"}} with all four keys, as the published
description of OpenAI's API requires (components/schemas/Error).
"""

from collections.abc import Mapping

import msgspec

from hailo_vision.errors import Kind
from hailo_vision.http.errors import Failure
from hailo_vision.http.openai.answer_types import ErrorDetail, ErrorResponse

# What OpenAI's SDKs must not retry, though its status says that they may: a link that fails once mostly fails
# always, and a request that took too long would do so again.
_FINAL = frozenset({Kind.IMAGE_FETCH_FAILED, Kind.DEADLINE_EXCEEDED})


def detail(failure: Failure) -> ErrorDetail:
    if failure.status == 429:
        kind = "rate_limit_error"
    else:
        kind = "invalid_request_error" if failure.status < 500 else "server_error"
    return ErrorDetail(failure.message, kind, failure.where, failure.code)


def body(failure: Failure) -> bytes:
    """The error object as JSON text."""
    return msgspec.json.encode(ErrorResponse(detail(failure)))


def headers(failure: Failure) -> Mapping[str, str]:
    """Headers for OpenAI's SDKs."""
    return {"x-should-retry": "false"} if failure.code in _FINAL else {}
