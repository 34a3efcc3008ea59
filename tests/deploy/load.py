"""Clients that ask one question after the other while something happens to the Pis."""

import base64
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

PHOTO = (Path(__file__).resolve().parents[1] / "data" / "coffee.jpg").read_bytes()


def question(tokens: int, stream: bool, photo: bytes = PHOTO) -> dict[str, Any]:
    """A request about a photo."""
    link = f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}"
    content = [
        {"type": "text", "text": "What is in this picture?"},
        {"type": "image_url", "image_url": {"url": link}},
    ]
    return {
        "model": "qwen2-vl-2b-instruct",
        "messages": [{"role": "user", "content": content}],
        "max_tokens": tokens,
        "stream": stream,
    }


@dataclass(frozen=True)
class Outcome:
    """What became of one request; the moments are those of time.monotonic()."""

    begun: float
    ended: float
    status: int
    failure: str


class Load:
    """So many clients, half of them streaming, each request on a connection of its own.

    They ask from the beginning of a `with` block to its end.
    """

    def __init__(self, url: str, clients: int = 4, key: str = "", photo: bytes = PHOTO) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._headers = {"Connection": "close"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._photo = photo
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(bool(n % 2),)) for n in range(clients)]
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def failures(self) -> list[Outcome]:
        """The requests that did not get a whole answer."""
        return [outcome for outcome in self.outcomes if outcome.failure]

    def answered(self, since: float = 0) -> int:
        """How many of the requests that were made after a moment got a whole answer."""
        return sum(not outcome.failure and outcome.begun >= since for outcome in self.outcomes)

    def wait(self, answers: int, seconds: float = 60) -> None:
        """Wait until so many more requests, from now on, were answered."""
        begun = time.monotonic()
        while self.answered(begun) < answers:
            assert time.monotonic() < begun + seconds, f"{self.answered(begun)} answers in {seconds} s"
            time.sleep(0.1)

    def _ask(self, stream: bool) -> None:
        body = question(8, stream, self._photo)
        # The certificate may change meanwhile.
        with httpx.Client(timeout=90, headers=self._headers, verify=False) as client:
            while not self._over.is_set():
                begun, status = time.monotonic(), 0
                try:
                    response = client.post(self._url, json=body)
                    status = response.status_code
                    failure = "" if _whole(response, stream) else response.text
                except httpx.TransportError as error:
                    failure = repr(error)
                self.outcomes.append(Outcome(begun, time.monotonic(), status, failure))


def _whole(response: httpx.Response, stream: bool) -> bool:
    """Whether an answer is complete and free of errors."""
    if response.status_code != 200:
        return False
    if not stream:
        return bool(response.json()["choices"][0]["message"]["content"])
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return events[-1] == "[DONE]" and all("error" not in json.loads(event) for event in events[:-1])
