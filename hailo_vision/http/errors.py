"""Errors as HTTP reports them: those raised before a dialect reads the request (HttpError), and the status of
those that the core raises (RequestError)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from sanic import exceptions as sanic_exceptions

from hailo_vision.errors import Kind, RequestError


class HttpError(Exception):
    """What is refused before a dialect reads it: a sentence, a stable code, and headers of the response."""

    status: ClassVar[int]
    code: str

    def __init__(
        self, message: str, *, code: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}
        if code:
            self.code = code


class BadRequest(HttpError):
    status, code = 400, "bad_request"


class Unauthorized(HttpError):
    status, code = 401, "invalid_api_key"


class Forbidden(HttpError):
    status, code = 403, "forbidden"


class NotFound(HttpError):
    status, code = 404, "not_found"


class MethodNotAllowed(HttpError):
    status, code = 405, "method_not_allowed"


class RequestTimeout(HttpError):
    status, code = 408, "request_timeout"


class TooLarge(HttpError):
    status, code = 413, "request_too_large"


class UnsupportedCoding(HttpError):
    status, code = 415, "unsupported_content_encoding"


class TooMany(HttpError):
    status, code = 429, "too_many_requests"


# Of what the core raises; every kind that is not named is the request's own fault.
_BAD_REQUEST = 400
STATUS: Mapping[Kind, int] = {
    Kind.MODEL_NOT_FOUND: 404,
    Kind.QUEUE_FULL: 429,
    Kind.INTERNAL_ERROR: 500,
    Kind.MODEL_LOADING: 503,
    Kind.DEVICE_UNAVAILABLE: 503,
    Kind.SHUTTING_DOWN: 503,
    Kind.DEADLINE_EXCEEDED: 504,
}


@dataclass(frozen=True)
class Failure:
    """What a dialect tells its client.

    Attributes:
        code: a stable identifier.
        where: the part of the request that is at fault.
        headers: that are the same in all dialects.
    """

    status: int
    code: str
    message: str
    where: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


UNEXPECTED = Failure(500, Kind.INTERNAL_ERROR, "The service failed unexpectedly; its log has the details.")


def failure_of(error: Exception) -> Failure:
    """What an exception means to a client; UNEXPECTED if it was not meant for one."""
    if isinstance(error, RequestError):
        headers = {} if error.retry_after is None else retry_after(error.retry_after)
        status = STATUS.get(error.kind, _BAD_REQUEST)
        return Failure(status, error.kind, error.message, error.where, headers)
    if isinstance(error, sanic_exceptions.SanicException):
        error = _of_sanic(error)
    if isinstance(error, HttpError):
        return Failure(error.status, error.code, error.message, None, error.headers)
    return UNEXPECTED


def retry_after(seconds: float) -> dict[str, str]:
    """The Retry-After header: whole seconds, at least 1 as OpenAI's API description requires."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _of_sanic(error: sanic_exceptions.SanicException) -> Exception:
    if isinstance(error, sanic_exceptions.MethodNotAllowed):
        allowed = error.headers.get("Allow", "")
        return MethodNotAllowed(
            f"This route does not take that method; it takes {allowed}.", headers={"Allow": allowed}
        )
    if isinstance(error, sanic_exceptions.NotFound):
        return NotFound("There is no such route; /docs lists what there is.")
    if isinstance(error, sanic_exceptions.PayloadTooLarge):
        return TooLarge("The request is larger than this service accepts.")
    if isinstance(error, sanic_exceptions.RequestTimeout):
        return RequestTimeout("The request came too slowly.")
    if 400 <= error.status_code < 500:
        return BadRequest("The request is not valid HTTP.")
    return error
