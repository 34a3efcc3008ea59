"""At the chip's own speed: what a client waits for, against hailo_platform in a bare loop."""

import json
import threading
import time
from typing import Any

from support.server import Server

from tests.bench.measure import alternate, median, milliseconds
from tests.bench.results import Row
from tests.bench.stage import CHAT, Stage, body, chat, frame_of, jpeg
from tests.bench.wire import Client, Streamed

_QUESTION = "Describe this image in detail."
_BARE_LOOP = "the same by hailo_platform in a bare loop"
_CHAT = (
    "What is in this picture?",
    "Which colours do you see? Answer in one sentence.",
    "Where is the brightest part? Answer in one sentence.",
    "Is it a calm picture? Answer in one sentence.",
    "What stands in the middle? Answer in one sentence.",
    "What should I look at first? Answer in one sentence.",
)


def one_photo(stage: Stage) -> list[Row]:
    """Time to first token and tokens a second of one photo; the predecessor for comparison."""
    stage.note("one photo, scale 1: first token and tokens a second")
    photo, tokens = jpeg(1280, 720), 24
    loop, client = stage.direct(1, frame_of(photo)), stage.client(stage.service(1).port)
    # Another picture's context is no prefix of this one's: nothing is reused.
    request = chat(_QUESTION, tokens, photo, stream=True)
    other = chat("Hello", 1)

    def served() -> Streamed:
        client.post(CHAT, other)
        return client.stream(CHAT, request)

    answers, bare = alternate(stage.rounds(5), served, lambda: loop.ask(_QUESTION, tokens, picture=True))
    if answers[0].text != bare[0].text.strip():
        raise RuntimeError(f"not the same answer: {answers[0].text!r} and {bare[0].text!r}")
    first, bare_first = median([a.first for a in answers]), median([b.first for b in bare])
    # White space waits for the word behind it, so there may be fewer events than tokens.
    pieces = bare[0].pieces
    rate = median([(pieces - 1) / (a.arrivals[-1] - a.arrivals[0]) for a in answers])
    bare_rate = median([b.rate for b in bare])
    plain = stage.client(stage.predecessor(1))
    waits = [plain.post(CHAT, chat(_QUESTION, tokens, photo))[0] for _ in range(stage.rounds(3))]
    bare_seconds = median([b.seconds for b in bare])
    return [
        Row(
            "time to first token, one photo (1280x720 JPEG), scale 1",
            _BARE_LOOP,
            first / bare_first,
            f"{milliseconds(first)} / {milliseconds(bare_first)}",
            1.03,
        ),
        Row(
            "tokens per second, streaming, scale 1",
            _BARE_LOOP,
            rate / bare_rate,
            f"{rate:.3f} / {bare_rate:.3f}",
            0.99,
            at_least=True,
        ),
        Row(
            f"predecessor's way: time to first text ({tokens} tokens)",
            "first token by hailo_platform in a bare loop",
            median(waits) / bare_first,
            f"{milliseconds(median(waits))} / {milliseconds(bare_first)}, last token {bare_seconds:.3f} s",
        ),
    ]


def six_turns(stage: Stage) -> list[Row]:
    """The last turn of a chat about one picture, with context reuse and without."""
    stage.note("six-turn chat, scale 1, with and without context reuse")
    reuse = stage.client(stage.service(1).port)
    fresh = stage.client(stage.service(1, model={"context_reuse": False}).port)
    with_reuse, without = alternate(stage.rounds(2), lambda: _converse(reuse), lambda: _converse(fresh))
    if with_reuse[0][1] != without[0][1]:
        raise RuntimeError("context reuse changed the answers")
    last, full = median([s for s, _ in with_reuse]), median([s for s, _ in without])
    return [
        Row(
            "last turn of a six-turn chat with a picture, time to first token, scale 1",
            "without context reuse",
            last / full,
            f"{milliseconds(last)} / {milliseconds(full)}",
            0.35,
        )
    ]


def _converse(client: Client) -> tuple[float, list[str]]:
    """Time to the last turn's first token, and all answers."""
    photo = json.loads(chat("", 1, jpeg(1280, 720)))["messages"][0]["content"][0]
    messages: list[dict[str, Any]] = []
    answers = []
    for number, question in enumerate(_CHAT):
        content = [photo, {"type": "text", "text": question}] if number == 0 else question
        messages.append({"role": "user", "content": content})
        answer = client.stream(CHAT, body(messages, 12, stream=True))
        messages.append({"role": "assistant", "content": answer.text})
        answers.append(answer.text)
    return answer.first, answers


def busy_share(stage: Stage) -> list[Row]:
    """How much of the time the NPU works while requests wait."""
    stage.note("NPU busy share, 8 clients with 12-megapixel photos, scale 1")
    server = stage.service(1, journal=True)
    _crowd(server.port, 8, stage.rounds(2), 24, stage.large_photo())
    busy, total = _busy(server)
    return [
        Row(
            "NPU busy share under 8 clients with photos (4000x3000 JPEG), scale 1",
            "1",
            busy / total,
            f"{busy:.2f} s / {total:.2f} s",
            0.98,
            at_least=True,
        )
    ]


def _busy(server: Server) -> tuple[float, float]:
    """Seconds in which the chip encoded, prefilled or generated, and seconds from first to last of them."""
    begins, ends = [], []
    for entry in server.journal():
        if entry["event"] == "generate":
            begins.append(entry["t"] - entry["encode_s"])
        elif entry["event"] == "finished":
            ends.append(entry["t"])
    busy = sum(end - begin for begin, end in zip(begins, ends, strict=True))
    return busy, ends[-1] - begins[0]


def load_curve(stage: Stage) -> dict[str, Any]:
    """Latencies against the number of clients that ask at once, one request each."""
    stage.note("load against latency, scale 1")
    photo, tokens = jpeg(1280, 720), 8
    loop, server = stage.direct(1, frame_of(photo)), stage.service(1)
    alone = loop.ask(_QUESTION, tokens, picture=True)
    counts = [1, 2] if stage.quick else [1, 2, 4, 8]
    points = []
    for count in counts:
        answers = _crowd(server.port, count, 1, tokens, photo)
        points.append(
            {
                "clients": count,
                "first_token_s": [a.first for a in answers],
                "complete_s": [a.seconds for a in answers],
            }
        )
    return {"bare_first_s": alone.first, "bare_complete_s": alone.seconds, "points": points}


def _crowd(port: int, clients: int, requests: int, tokens: int, photo: bytes) -> list[Streamed]:
    """So many clients at once, each with so many requests one after the other; their answers."""
    answers: list[Streamed] = []
    failures: list[BaseException] = []

    def ask(number: int) -> None:
        client = Client(port)
        try:
            for turn in range(requests):
                prompt = f"{_QUESTION} I am client {number}, question {turn}."
                answers.append(client.stream(CHAT, chat(prompt, tokens, photo, stream=True)))
        except BaseException as error:
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return answers
