"""`hailo-vision bench`: measures how long clients of a running service wait."""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from hailo_vision.cli.client import Client, Failed, image_part, text_of

Answer = dict[str, float]  # figures by name, as _ask() gives them


def bench(options: argparse.Namespace) -> None:
    """Have some clients at once put the same request again and again, and print what they waited for.

    Raises:
        Failed: the image can't be read, or a request was not answered.
    """
    content = [image_part(options.image)] if options.image else []
    content.append({"type": "text", "text": options.prompt})
    service = Client(options.url)
    request = {
        "model": service.model(),
        "messages": [{"role": "user", "content": content}],
        "max_tokens": options.max_tokens,
        "temperature": 0,
    }
    begun = time.perf_counter()
    answers = _answers(partial(_ask, service, request), options.clients, options.requests)
    seconds = time.perf_counter() - begun
    tokens = sum(answer["tokens"] for answer in answers)
    if options.json:
        asked = {name: getattr(options, name) for name in ("clients", "requests", "prompt", "max_tokens")}
        print(json.dumps({**asked, "seconds": seconds, "tokens": tokens, "answers": answers}))
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


def _ask(service: Client, request: dict[str, Any]) -> Answer:
    """The figures of one streamed answer; times in seconds from the request on.

    The service tells queue (the wait for the NPU), tokens, and rate (tokens a second after the first one).
    """
    begun = time.perf_counter()
    first: float | None = None
    timings: dict[str, float] = {}
    for chunk in service.chat(**request):
        if first is None and text_of(chunk):
            first = time.perf_counter() - begun
        timings = chunk.get("timings") or timings
    total = time.perf_counter() - begun
    try:
        return {
            "queue": float(timings.get("queue_ms", 0)) / 1000,
            "first_token": total if first is None else first,
            "total": total,
            "tokens": int(timings.get("predicted_n", 0)),
            "rate": float(timings.get("predicted_per_second", 0)),
        }
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise Failed("The service's figures (timings) can't be read.") from None


def _table(answers: list[Answer]) -> str:
    rows = {
        "queue, s": "queue",
        "first token, s": "first_token",
        "whole answer, s": "total",
        "tokens/s after the first": "rate",
    }
    lines = [f"{'':26}{'median':>10}{'lowest':>10}{'highest':>10}"]
    for title, name in rows.items():
        values = [answer[name] for answer in answers]
        figures = (statistics.median(values), min(values), max(values))
        lines.append(f"{title:26}" + "".join(f"{figure:10.3f}" for figure in figures))
    return "\n".join(lines)
