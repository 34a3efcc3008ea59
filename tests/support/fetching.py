"""Fetches links as the service does, with a name server of the test's own."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.fetch import Fetcher

IMAGE = b"\x89PNG" + bytes(range(256)) * 40
LOOPBACK = ("127.0.0.0/8",)


class Names:
    """A name server of a test's own.

    Attributes:
        asked: the names that were looked up.
    """

    def __init__(self, **answers: Sequence[str] | Iterator[str]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        try:
            answer = self._answers[host.replace(".", "_")]
        except KeyError:
            raise socket.gaierror(socket.EAI_NONAME, "no such name") from None
        return [next(answer)] if isinstance(answer, Iterator) else answer


def fetch(link: str, names: Names | None = None, seconds: float = 5, **config: Any) -> bytes:
    return asyncio.run(Fetcher(MediaConfig(fetch_timeout=seconds, **config), names or Names()).get(link))


def refusal(link: str, names: Names | None = None, seconds: float = 5, **config: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        fetch(link, names, seconds, **config)
    return caught.value
