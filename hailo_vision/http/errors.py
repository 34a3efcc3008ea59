"""Errors as HTTP reports them: those raised before a dialect reads the request (HttpError), and the core's
(RequestError)."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sanic import Request
from sanic import exceptions as sanic_exceptions
from sanic.exceptions import NotFound, PayloadTooLarge, RequestTimeout

from hailo_vision.errors import Kind, RequestError

log = logging.getLogger(__name__)

# The status of each code. What the core raises and is not named here is the request's own fault.
STATUS: Mapping[str, int] = {
    "bad_request": 400,
    "invalid_api_key": 401,
    "host_not_allowed": 403,
    "origin_not_allowed": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "request_too_large": 413,
    "unsupported_content_encoding": 415,
    "too_many_requests": 429,
    Kind.MODEL_NOT_FOUND: 404,
    Kind.QUEUE_FULL: 429,
    Kind.INTERNAL_ERROR: 500,
    Kind.MODEL_LOADING: 503,
    Kind.DEVICE_UNAVAILABLE: 503,
    Kind.OVERLOADED: 503,
    Kind.SHUTTING_DOWN: 503,
    Kind.DEADLINE_EXCEEDED: 504,
}

_OF_SANIC = (
    (NotFound, "not_found", "There is no such route; /docs lists what there is."),
    (PayloadTooLarge, "request_too_large", "The request is larger than this service accepts."),
    (RequestTimeout, "request_timeout", "The request came too slowly."),
)


class HttpError(Exception):
    """What is refused before a dialect reads it.

    Attributes:
        code: a stable identifier, of those in STATUS.
        message: a sentence for people.
        headers: of the response.
    """

    def __init__(self, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers or {}


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
        return Failure(STATUS.get(error.kind, 400), error.kind, error.message, error.where, headers)
    if isinstance(error, sanic_exceptions.SanicException):
        error = _of_sanic(error)
    if isinstance(error, HttpError):
        return Failure(STATUS[error.code], error.code, error.message, None, error.headers)
    return UNEXPECTED


def report(request: Request, error: Exception) -> Failure:
    """The same, noted for the request log; what was not meant for a client goes to the log in full."""
    failure = failure_of(error)
    if failure is UNEXPECTED:
        log.error("Request %s failed unexpectedly", request.ctx.id, exc_info=error)
    request.ctx.record.code = failure.code
    error.__traceback__ = None  # its frames hold the request, and one of them may hold the error
    return failure


def retry_after(seconds: float) -> dict[str, str]:
    """The Retry-After header: whole seconds, at least 1 as OpenAI's API description requires."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _of_sanic(error: sanic_exceptions.SanicException) -> Exception:
    if isinstance(error, sanic_exceptions.MethodNotAllowed):
        # Sanic takes them from a set, whose order is another after each start.
        allowed = ", ".join(sorted(error.headers.get("Allow", "").split(", ")))
        message = f"This route does not take that method; it takes {allowed}."
        return HttpError("method_not_allowed", message, {"Allow": allowed})
    for kind, code, message in _OF_SANIC:
        if isinstance(error, kind):
            return HttpError(code, message)
    if 400 <= error.status_code < 500:
        return HttpError("bad_request", "The request is not valid HTTP.")
    return error
