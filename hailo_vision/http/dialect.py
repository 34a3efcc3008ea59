"""A dialect of the API: its routes with their descriptions, and the form of its errors."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from sanic import HTTPResponse

from hailo_vision.http.errors import Failure

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]


@dataclass(frozen=True)
class Route:
    """One route.

    Attributes:
        label: its path as logs, metrics and the API's description have it.
        summary: what the description says of it; empty if it is not described.
        answer: the type of the whole answer; None for plain text.
        request: the type of the body, of which there is an example.
        event: the type of one event or line of a streamed answer.
        generates: it asks the model, which may be busy, loading or slow.
        also: statuses whose body is another type.
        paths: where it is served, in Sanic's form; at its label if there are none.
        open: no API key is needed.
    """

    method: str
    label: str
    handler: Handler
    summary: str = ""
    tag: str = ""
    answer: type | None = None
    request: type | None = None
    example: Mapping[str, Any] | None = None
    event: type | None = None
    generates: bool = False
    also: Mapping[str, tuple[str, type]] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    open: bool = False


@dataclass(frozen=True, eq=False)  # Sanic wants it hashable
class Dialect:
    """One dialect of the API.

    Attributes:
        prefix: requests to unknown paths below it are answered in this dialect.
        error: the type of the answer to a request that it refuses.
        error_body: the JSON text that reports a failure.
        error_headers: headers that the dialect's clients look at besides.
        type_prefix: stands before the names of its types in the API's description, where other dialects
            may have the same.
        stream: the content type of streamed answers.
    """

    prefix: str
    routes: tuple[Route, ...]
    error: type
    error_body: Callable[[Failure], bytes]
    error_headers: Callable[[Failure], Mapping[str, str]] = lambda failure: {}
    type_prefix: str = ""
    stream: str = "text/event-stream"

    def error_response(self, failure: Failure) -> HTTPResponse:
        headers = {**failure.headers, **self.error_headers(failure)}
        return HTTPResponse(
            self.error_body(failure), failure.status, headers, content_type="application/json"
        )
