"""The front process against bare Sanic, with an emulated NPU that takes no time; its start and memory."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from support.server import Server

from tests.bench.measure import alternate, cpu_seconds, median, milliseconds, resident_bytes
from tests.bench.results import Row
from tests.bench.stage import CHAT, Stage, body, chat, frame_of, jpeg, wait_for_port

# The emulated model says again what it was told: some 900 tokens.
_TOLD = "the sea was grey and the wind came from the north again on day"
_LONG = [
    *({"role": "user", "content": f"{_TOLD} {day}"} for day in range(45)),
    {"role": "user", "content": "What did I say?"},
]
_EACH_BY_ITSELF = 0.05  # a token in 6 ms, as bare_relay's events
_ECHO = "a bare Sanic handler echoing the same JSON"
_LIBRARIES = "import sanic, numpy, PIL.Image"


def cpu_per_token(stage: Stage) -> list[Row]:
    """CPU time of the front process for a whole streamed answer, by its tokens: as fast as they can come, and
    each by itself."""
    rows = []
    for scale, limit, repeats, what, module, against, target in (
        (0.0, 1000, 20, "scale 0", "bare_sanic", "a bare Sanic handler streaming the same bytes", 2.0),
        (_EACH_BY_ITSELF, 100, 1, "each by itself", "bare_relay", "the same, from a second process", None),
    ):
        stage.note(f"CPU time a token, {what}")
        server = stage.service(scale)
        client = stage.client(server.port)
        request = body(_LONG, limit, stream=True)
        answer = client.stream(CHAT, request)
        port, bare = stage.bare(module, b"\n\n".join(event.rstrip(b"\n") for event in answer.events))
        receiver = stage.client(port)
        assert server.process
        ours, theirs = alternate(
            stage.rounds(5),
            partial(_cpu, server.process.pid, partial(client.stream, CHAT, request), stage.rounds(repeats)),
            partial(_cpu, bare, partial(receiver.drain, "/stream"), stage.rounds(repeats)),
        )
        tokens = len(answer.arrivals)
        rows.append(
            Row(
                f"CPU time a token in the front process, {what}",
                against,
                median(ours) / median(theirs),
                f"{median(ours) / tokens * 1e6:.1f} us / {median(theirs) / tokens * 1e6:.1f} us, "
                f"{tokens} tokens",
                target,
            )
        )
    return rows


def _cpu(pid: int, ask: Callable[[], object], repeats: int) -> float:
    """CPU seconds of a process for one request."""
    before = cpu_seconds(pid)
    for _ in range(repeats):
        ask()
    return (cpu_seconds(pid) - before) / repeats


def text_request(stage: Stage) -> list[Row]:
    """One short text request, not streamed; where its time goes; the predecessor."""
    stage.note("a text request end to end, scale 0")
    request, repeats = chat("Hello", 1), stage.rounds(50)
    server = stage.service(0)
    loop = stage.direct(0, frame_of(jpeg(1280, 720)))
    asked = {
        "service": (stage.client(server.port), CHAT),
        "sanic": (stage.client(stage.bare("bare_sanic", b"data: 1")[0]), "/echo"),
        "relay": (stage.client(stage.bare("bare_relay", b"data: 1")[0]), "/echo"),
        "predecessor": (stage.client(stage.predecessor(0)), CHAT),
    }

    def once() -> dict[str, float]:
        return {
            name: median([client.post(path, request)[0] for _ in range(repeats)])
            for name, (client, path) in asked.items()
        }

    def chip() -> float:
        return median([loop.ask("Hello", 1, whole=True).seconds for _ in range(repeats)])

    both, chips = alternate(stage.rounds(15), once, chip)
    seconds = {name: median([one[name] for one in both]) for name in asked}
    calls = median(chips)
    rows = [
        Row(
            "a text request end to end, scale 0",
            _ECHO,
            seconds["service"] / seconds["sanic"],
            f"{milliseconds(seconds['service'])} / {milliseconds(seconds['sanic'])}; "
            f"of it the emulator's own calls {milliseconds(calls)}",
            3,
        )
    ]
    for name, what in (
        ("relay", "a bare Sanic handler that asks a second process"),
        ("predecessor", "predecessor's way: the same text request"),
    ):
        detail = f"{milliseconds(seconds[name])} / {milliseconds(seconds['sanic'])}"
        rows.append(Row(what, _ECHO, seconds[name] / seconds["sanic"], detail))
    return rows


def start(stage: Stage) -> list[Row]:
    """From the start of the process to the open port."""
    stage.note("start")

    def imported() -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import sanic"], check=True)
        return time.perf_counter() - begun

    ours, theirs = alternate(stage.rounds(9), lambda: _seconds_to_port(stage.files(0)), imported)
    return [
        Row(
            "start: process to port open",
            'python -c "import sanic"',
            median(ours) / median(theirs),
            f"{milliseconds(median(ours))} / {milliseconds(median(theirs))}",
            2.5,
        )
    ]


def _seconds_to_port(files: Server) -> float:
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "hailo_vision", "serve", "--config", str(files.config_file)],
        env=files.environment(),
        cwd=files.directory,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(files.port, process)
        return time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()


def memory(stage: Stage) -> list[Row]:
    """Resident memory once the service has answered about text and photos."""
    stage.note("resident memory")
    server = stage.service(0)
    client = stage.client(server.port)
    assert server.process
    ready = resident_bytes(server.process.pid)
    for _ in range(stage.rounds(20)):
        client.post(CHAT, chat("Hello", 20))
        client.post(CHAT, chat("What is in this picture?", 20, jpeg(1280, 720)))
    used = resident_bytes(server.process.pid)
    client.post(CHAT, chat("What is in this picture?", 20, stage.large_photo()))
    large = resident_bytes(server.process.pid)
    command = [sys.executable, "-c", f"{_LIBRARIES}; print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bare:
        assert bare.stdout
        bare.stdout.readline()
        libraries = resident_bytes(bare.pid)
        bare.communicate(b"\n")
    return [
        Row(
            "resident memory, front process, after texts and photos",
            "python with sanic, numpy and Pillow imported",
            used / libraries,
            f"{used / 1e6:.1f} MB / {libraries / 1e6:.1f} MB; {ready / 1e6:.1f} MB when ready, "
            f"{large / 1e6:.1f} MB after a photo of 12 megapixels",
            1.3,
        )
    ]
