"""`hailo-vision bench`: what clients of a running service wait for, with nothing but the standard library."""

import base64
import json
import statistics
import sys
import threading
import time
import urllib.error
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hailo_vision.cli import client


@dataclass(frozen=True)
class Options:
    """What to measure: so many clients at once, each with so many requests in a row."""

    clients: int
    requests: int
    prompt: str
    max_tokens: int
    as_json: bool


@dataclass(frozen=True)
class Answer:
    """One streamed answer, in seconds.

    Attributes:
        queue: waiting for the NPU, as the service tells it.
        first_token: from the request to the first text.
        total: from the request to the end.
        rate: tokens a second after the first, as the service tells it.
    """

    queue: float
    first_token: float
    total: float
    tokens: int
    rate: float


class Target:
    """A service and the request that is put to it again and again."""

    def __init__(self, url: str, image: Path | None, prompt: str, max_tokens: int) -> None:
        """Raises:
        OSError: the image can't be read, or the service can't be reached.
        """
        self._base = url.rstrip("/").removesuffix("/v1")
        content: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
        if image:
            picture = base64.b64encode(image.read_bytes()).decode()
            content.insert(0, {"type": "image_url", "image_url": {"url": f"data:image/*;base64,{picture}"}})
        with client.send(f"{self._base}/v1/models") as models:
            model = json.load(models)["data"][0]["id"]
        messages = [{"role": "user", "content": content}]
        self._body = json.dumps(
            {"model": model, "messages": messages, "max_tokens": max_tokens, "temperature": 0, "stream": True}
        ).encode()

    def ask(self) -> Answer:
        """One answer.

        Raises:
            OSError: the service refused or broke off.
        """
        begun = time.perf_counter()
        first: float | None = None
        timings: dict[str, float] = {}
        with client.send(f"{self._base}/v1/chat/completions", self._body) as response:
            for event in client.events(response):
                if "error" in event:
                    raise OSError(event["error"]["message"])
                if first is None and any(choice["delta"].get("content") for choice in event["choices"]):
                    first = time.perf_counter() - begun
                timings = event.get("timings") or timings
        total = time.perf_counter() - begun
        return Answer(
            timings.get("queue_ms", 0.0) / 1000,
            total if first is None else first,
            total,
            int(timings.get("predicted_n", 0)),
            timings.get("predicted_per_second", 0.0),
        )


def run(target: Target, clients: int, requests: int) -> tuple[list[Answer], float]:
    """Answers to so many clients at once, each with so many requests in a row; and seconds for them all.

    Raises:
        OSError: a request failed.
    """
    answers: list[Answer] = []
    failures: list[OSError] = []

    def work() -> None:
        try:
            answers.extend(target.ask() for _ in range(requests))
        except OSError as error:
            failures.append(error)

    begun = time.perf_counter()
    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return answers, time.perf_counter() - begun


def bench(url: str, image: Path | None, options: Options) -> int:
    """Measure and print; returns the exit status."""
    try:
        target = Target(url, image, options.prompt, options.max_tokens)
        answers, seconds = run(target, options.clients, options.requests)
    except urllib.error.HTTPError as error:
        print(client.reason(error), file=sys.stderr)
        return 1
    except OSError as error:
        print(getattr(error, "reason", None) or error, file=sys.stderr)
        return 1
    tokens = sum(answer.tokens for answer in answers)
    if options.as_json:
        overall = {**asdict(options), "seconds": seconds, "tokens": tokens}
        print(json.dumps({**overall, "answers": [asdict(answer) for answer in answers]}))
    else:
        print(f"{options.clients} clients at once, {options.requests} requests each")
        print(_table(answers))
        rate = tokens / seconds
        print(f"{len(answers)} answers with {tokens} tokens in {seconds:.1f} s: {rate:.2f} tokens/s")
    return 0


def _table(answers: list[Answer]) -> str:
    columns = {
        "queue, s": [answer.queue for answer in answers],
        "first token, s": [answer.first_token for answer in answers],
        "whole answer, s": [answer.total for answer in answers],
        "tokens/s after the first": [answer.rate for answer in answers],
    }
    lines = [f"{'':26}{'median':>10}{'lowest':>10}{'highest':>10}"]
    for name, values in columns.items():
        figures = (statistics.median(values), min(values), max(values))
        lines.append(f"{name:26}" + "".join(f"{figure:10.3f}" for figure in figures))
    return "\n".join(lines)
