"""A client that adds as little as possible to what it measures: one connection, blocking calls."""

import http.client
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Streamed:
    """One streamed answer; times are seconds since the request began.

    Attributes:
        arrivals: when each piece of text came.
        events: the data of all events, as they came over the wire.
    """

    text: str
    arrivals: list[float]
    seconds: float
    events: list[bytes]

    @property
    def first(self) -> float:
        return self.arrivals[0]


class Client:
    """A kept-alive connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str) -> float:
        """Seconds that a GET took."""
        begun = time.perf_counter()
        self._exchange("GET", path, None)
        return time.perf_counter() - begun

    def post(self, path: str, body: bytes) -> tuple[float, bytes]:
        """Seconds that a POST took, and the response's body."""
        begun = time.perf_counter()
        answer = self._exchange("POST", path, body)
        return time.perf_counter() - begun, answer

    def post_pieces(self, path: str, pieces: Iterable[bytes], length: int) -> None:
        """POST a body of so many bytes, a piece at a time."""
        self._connection.request("POST", path, pieces, _JSON | {"Content-Length": str(length)})
        self._checked().read()

    def stream(self, path: str, body: bytes) -> Streamed:
        """POST, and note when each piece of text arrives."""
        begun = time.perf_counter()
        self._connection.request("POST", path, body, _JSON)
        response = self._checked()
        texts, arrivals, lines = [], [], []
        for line in _data(response):
            lines.append(line)
            text = _text(line)
            if text:
                arrivals.append(time.perf_counter() - begun)
                texts.append(text)
        return Streamed("".join(texts), arrivals, time.perf_counter() - begun, lines)

    def drain(self, path: str) -> int:
        """GET and throw away, as it comes; returns the bytes of the body."""
        self._connection.request("GET", path)
        response = self._checked()
        total = 0
        while chunk := response.read1(65536):
            total += len(chunk)
        return total

    def _exchange(self, method: str, path: str, body: bytes | None) -> bytes:
        self._connection.request(method, path, body, _JSON if body else {})
        return self._checked().read()

    def _checked(self) -> http.client.HTTPResponse:
        response = self._connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {response.read().decode(errors='replace')}")
        return response


def _data(response: http.client.HTTPResponse) -> Iterator[bytes]:
    for line in response:
        if line.startswith(b"data: "):
            yield line


def _text(line: bytes) -> str:
    data = line[6:].strip()
    if data == b"[DONE]":
        return ""
    event: dict[str, Any] = json.loads(data)
    if "error" in event:
        raise RuntimeError(event["error"]["message"])
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
