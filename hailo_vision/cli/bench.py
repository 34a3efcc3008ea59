"""`hailo-vision bench`: measures how long clients of a running service wait."""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from hailo_vision.cli.client import Failed, Service, image_part, text_of


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


def bench(options: argparse.Namespace) -> None:
    """Have some clients at once put the same request again and again, and print what they waited for.

    Raises:
        Failed: the image can't be read, or a request was not answered.
    """
    content = [image_part(options.image)] if options.image else []
    content.append({"type": "text", "text": options.prompt})
    service = Service(options.url)
    request = {
        "model": service.model(),
        "messages": [{"role": "user", "content": content}],
        "max_tokens": options.max_tokens,
        "temperature": 0,
    }
    begun = time.perf_counter()
    answers = _answers(partial(_ask, service, request), options.clients, options.requests)
    seconds = time.perf_counter() - begun
    tokens = sum(answer.tokens for answer in answers)
    if options.json:
        asked = {name: getattr(options, name) for name in ("clients", "requests", "prompt", "max_tokens")}
        found = {"seconds": seconds, "tokens": tokens, "answers": [asdict(answer) for answer in answers]}
        print(json.dumps({**asked, **found}))
        return
    print(f"{options.clients} clients at once, {options.requests} requests each")
    print(_table(answers))
    rate = tokens / seconds
    print(f"{len(answers)} answers with {tokens} tokens in {seconds:.1f} s: {rate:.2f} tokens/s")


def _answers(ask: Callable[[], Answer], clients: int, requests: int) -> list[Answer]:
    """The answers to some clients at once, each with some requests in a row; a failure ends them all."""
    answers: list[Answer] = []
    failures: list[Failed] = []

    def work() -> None:
        try:
            for _ in range(requests):
                if failures:
                    return
                answers.append(ask())
        except Failed as error:
            failures.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        raise Failed(f"This machine can't run {clients} clients at once: {error}.") from error
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return answers


def _ask(service: Service, request: dict[str, Any]) -> Answer:
    begun = time.perf_counter()
    first: float | None = None
    timings: dict[str, float] = {}
    for chunk in service.chat(**request):
        if first is None and text_of(chunk):
            first = time.perf_counter() - begun
        timings = chunk.get("timings") or timings
    total = time.perf_counter() - begun
    return Answer(
        timings.get("queue_ms", 0.0) / 1000,
        total if first is None else first,
        total,
        int(timings.get("predicted_n", 0)),
        timings.get("predicted_per_second", 0.0),
    )


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
