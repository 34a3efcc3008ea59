"""Photos: the way to a frame, and how the service behaves meanwhile."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import chain

from support.server import ROOT

from tests.bench.direct import MODULES
from tests.bench.full_decode import full_decode
from tests.bench.measure import alternate, median, milliseconds, percentile
from tests.bench.results import Row
from tests.bench.stage import CHAT, Stage, frame_of

_HEALTH_INTERVAL = 0.005


def to_frame(stage: Stage) -> list[Row]:
    """12 megapixels to a frame."""
    stage.note("12-megapixel JPEG to frame")
    photo = stage.large_photo()
    ours, theirs = alternate(
        stage.rounds(15), lambda: _seconds(frame_of, photo), lambda: _seconds(full_decode, photo)
    )
    return [
        Row(
            "12-megapixel JPEG to frame",
            "full decode, convert, resize (the predecessor's way)",
            median(ours) / median(theirs),
            f"{milliseconds(median(ours))} / {milliseconds(median(theirs))}",
            0.2,
        )
    ]


def _seconds(decode: Callable[[bytes], object], photo: bytes) -> float:
    begun = time.perf_counter()
    decode(photo)
    return time.perf_counter() - begun


def health(stage: Stage) -> list[Row]:
    """The latency of /health while eight photos are being decoded."""
    rows = []
    for what, port, path, rounds, target in (
        ("/health p99 while eight 12-megapixel photos decode", stage.service(0).port, CHAT, 9, 3.0),
        (
            "a bare Sanic handler that only takes the same bodies: /health p99",
            stage.bare("bare_sanic", b"data: 1")[0],
            "/take",
            9,
            None,
        ),
        (
            "predecessor's way: /health p99 while eight 12-megapixel photos decode",
            stage.predecessor(0),
            CHAT,
            2,
            None,
        ),
    ):
        stage.note(what)
        idle, loaded = alternate(
            stage.rounds(rounds), partial(_poll, stage, port), partial(_load, stage, port, path)
        )
        quiet = median([percentile(sample, 0.99) for sample in idle])
        busy = median([percentile(sample, 0.99) for sample in loaded])
        rows.append(
            Row(
                what,
                "idle",
                busy / quiet,
                f"{milliseconds(busy)} / {milliseconds(quiet)}; medians "
                f"{milliseconds(median([*chain(*loaded)]))} / {milliseconds(median([*chain(*idle)]))}",
                target,
            )
        )
    return rows


def _poll(stage: Stage, port: int, load: "subprocess.Popen[bytes] | None" = None) -> list[float]:
    """Latencies of one /health after the other, for two seconds or as long as the load lasts."""
    client = stage.client(port)
    client.get("/health")
    samples: list[float] = []
    until = time.monotonic() + (0.2 if stage.quick else 2.0)
    while load.poll() is None if load else time.monotonic() < until:
        samples.append(client.get("/health"))
        time.sleep(_HEALTH_INTERVAL)
    return samples


def _load(stage: Stage, port: int, path: str) -> list[float]:
    photo = stage.directory / "photo.jpg"
    photo.write_bytes(stage.large_photo())
    command = [sys.executable, "-m", "tests.bench.load", str(port), path, str(photo), str(stage.rounds(4))]
    environment = os.environ | MODULES
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment
    ) as load:
        assert load.stdout
        load.stdout.readline()
        samples = _poll(stage, port, load)
        if load.returncode:
            raise RuntimeError("the load could not be made")
        return samples
