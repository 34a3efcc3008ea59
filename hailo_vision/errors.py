"""Errors that a client sees, in OpenAI's shape.

    ApiError
    ├── InvalidRequest          400  the request can't be served as it is; never retried
    ├── Unauthorized            401
    ├── NotFound                404  no such route or model
    ├── MethodNotAllowed        405
    ├── RequestTimeout          408
    ├── TooLarge                413
    ├── QueueFull               429  retried by clients after Retry-After
    ├── InternalError           500  a fault of this program
    ├── Unavailable             503  the NPU can't answer now; retried after Retry-After
    └── DeadlineExceeded        504  the request's own time is over

The body is {"error": {"message", "type", "param", "code"}} with all four keys, as the published
OpenAPI description of OpenAI requires (components/schemas/Error).
"""

import math
from typing import ClassVar


class ApiError(Exception):
    """One failed request: status, machine-readable code, and a sentence for people.

    Attributes:
        message: what is wrong and what was expected; never holds the client's payload.
        code: a stable identifier.
        param: the path of the offending field, such as "messages[0].content[1].type".
        headers: extra response headers.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        self.headers = headers or {}

    def body(self) -> dict[str, dict[str, str | None]]:
        """The JSON object that is sent."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class InvalidRequest(ApiError):
    status = 400
    type = "invalid_request_error"
    default_code = "invalid_value"


class Unauthorized(ApiError):
    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"


class NotFound(ApiError):
    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class MethodNotAllowed(ApiError):
    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class RequestTimeout(ApiError):
    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class TooLarge(ApiError):
    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"


class QueueFull(ApiError):
    status = 429
    type = "rate_limit_error"
    default_code = "queue_full"


class InternalError(ApiError):
    pass


class Unavailable(ApiError):
    status = 503
    type = "server_error"
    default_code = "model_loading"


class DeadlineExceeded(ApiError):
    status = 504
    type = "server_error"
    default_code = "deadline_exceeded"


def retry_after(seconds: float) -> dict[str, str]:
    """The Retry-After header: whole seconds, at least 1 as the OpenAI description requires."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}
