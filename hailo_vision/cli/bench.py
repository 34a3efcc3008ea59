"""`hailo-vision bench`: measures how long clients of a running service wait."""

import json
import statistics
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hailo_vision.cli.client import Failed, Service, image_part, text_of


@dataclass(frozen=True)
class Options:
    """What to measure: how many clients at once, and how many requests each makes in a row."""

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
        Failed: the image can't be read, or the service can't be reached.
        """
        content: list[dict[str, Any]] = [image_part(image)] if image else []
        content.append({"type": "text", "text": prompt})
        self._service = Service(url)
        self._request = {
            "model": self._service.model(),
            "messages": [{"role": "user", "content": content}],
            "max_tokens": max_tokens,
            "temperature": 0,
        }

    def ask(self) -> Answer:
        """One answer.

        Raises:
            Failed: the service refused or broke off.
        """
        begun = time.perf_counter()
        first: float | None = None
        timings: dict[str, float] = {}
        for chunk in self._service.chat(**self._request):
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


def run(target: Target, clients: int, requests: int) -> tuple[list[Answer], float]:
    """The answers to some clients at once, each with some requests in a row, and the seconds they all took.

    Raises:
        Failed: a request failed; none is begun after it.
    """
    answers: list[Answer] = []
    failures: list[Failed] = []

    def work() -> None:
        try:
            for _ in range(requests):
                if failures:
                    return
                answers.append(target.ask())
        except Failed as error:
            failures.append(error)

    begun = time.perf_counter()
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
    return answers, time.perf_counter() - begun


def bench(url: str, image: Path | None, options: Options) -> None:
    """Measure and print.

    Raises:
        Failed: a request was not answered.
    """
    target = Target(url, image, options.prompt, options.max_tokens)
    answers, seconds = run(target, options.clients, options.requests)
    tokens = sum(answer.tokens for answer in answers)
    if options.as_json:
        overall = {**asdict(options), "seconds": seconds, "tokens": tokens}
        print(json.dumps({**overall, "answers": [asdict(answer) for answer in answers]}))
        return
    print(f"{options.clients} clients at once, {options.requests} requests each")
    print(_table(answers))
    rate = tokens / seconds
    print(f"{len(answers)} answers with {tokens} tokens in {seconds:.1f} s: {rate:.2f} tokens/s")


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
