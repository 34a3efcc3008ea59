"""Why a request can't be served, in one form for all dialects of the API.

The core (inference, images) says what is wrong and where; each dialect of the API turns that into its own
statuses, codes and headers.
"""

import enum


class Kind(enum.StrEnum):
    """What is wrong, as a stable identifier."""

    # The request can't be served as it is.
    INVALID_VALUE = "invalid_value"
    MISSING_PARAMETER = "missing_required_parameter"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    INVALID_JSON = "invalid_json"
    INVALID_SCHEMA = "invalid_schema"
    MODEL_NOT_FOUND = "model_not_found"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    TOO_MANY_IMAGES = "too_many_images"
    INVALID_IMAGE = "invalid_image"
    IMAGE_TOO_LARGE = "image_too_large"
    UNSUPPORTED_IMAGE_FORMAT = "unsupported_image_format"
    INVALID_IMAGE_URL = "invalid_image_url"
    IMAGE_URL_NOT_ALLOWED = "image_url_not_allowed"
    IMAGE_FETCH_FAILED = "image_fetch_failed"
    # It could be served later.
    QUEUE_FULL = "queue_full"
    MODEL_LOADING = "model_loading"
    DEVICE_UNAVAILABLE = "device_unavailable"
    OVERLOADED = "overloaded"
    SHUTTING_DOWN = "shutting_down"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    # The service itself is at fault.
    INTERNAL_ERROR = "internal_error"


class RequestError(Exception):
    """One request, or one of its images, that can't be served.

    Attributes:
        kind: what is wrong.
        message: a sentence for people: what is wrong and what was expected; never the client's payload.
        where: the part of the request that is at fault, in the words of the dialect that handed it over,
            such as "messages[0].content[1].image_url.url"; None for the conversation as a whole.
        retry_after: seconds after which the same request may succeed, None if it never will.
    """

    def __init__(
        self, kind: Kind, message: str, *, where: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.where = where
        self.retry_after = retry_after
