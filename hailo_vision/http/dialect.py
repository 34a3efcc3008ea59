"""A dialect of the API: its routes, its description, and the form of its errors."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sanic import HTTPResponse

from hailo_vision.http.errors import Failure
from hailo_vision.http.openapi import Description

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]


class Route(NamedTuple):
    """One route.

    Attributes:
        path: in Sanic's form.
        label: the name that logs, metrics and the API's description know it by.
        open: no API key is needed.
    """

    method: str
    path: str
    handler: Handler
    label: str
    open: bool = False


@dataclass(frozen=True, eq=False)  # Sanic wants it hashable
class Dialect:
    """One dialect of the API.

    Attributes:
        prefix: requests to unknown paths below it are answered in this dialect.
        description: its part of the API's description.
        error_body: the JSON text that reports a failure.
        error_headers: headers that the dialect's clients look at besides.
    """

    prefix: str
    routes: tuple[Route, ...]
    description: Description
    error_body: Callable[[Failure], bytes]
    error_headers: Callable[[Failure], Mapping[str, str]] = lambda failure: {}

    def error_response(self, failure: Failure) -> HTTPResponse:
        headers = {**failure.headers, **self.error_headers(failure)}
        return HTTPResponse(
            self.error_body(failure), failure.status, headers, content_type="application/json"
        )
