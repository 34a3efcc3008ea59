"""Where the time of a text request goes: CPU time of both processes, by what they do."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.bench.measure import cpu_seconds, median
from tests.bench.stage import CHAT, Stage, chat

# What a process does is told by the innermost file on its stack that has a word of these.
_FRONT = (
    ("log line", ("/logging/", "hailo_vision/logs", "hailo_vision/http/request_log")),
    ("metrics", ("prometheus_client/", "hailo_vision/http/metrics")),
    ("chat template", ("jinja2/", "hailo_vision/inference/prompt", "<template>")),
    ("Sanic: HTTP, routing, sending", ("/sanic", "hailo_vision/http/limits")),
    ("request and answer: JSON, checks, headers", ("hailo_vision/http/",)),
    ("to and from the NPU process", ("hailo_vision/npu/",)),
    ("queue, supervisor, tasks", ("hailo_vision/", "/asyncio/")),
)
_NPU = (
    ("the emulator", ("hailo_platform/",)),
    ("to and from the front process", ("npu/worker/channel", "npu/protocol")),
    ("the NPU process's own", ("hailo_vision/npu/",)),
)


def text_request(stage: Stage) -> dict[str, Any]:
    """Median seconds of a request, and the CPU seconds of each part of the two processes."""
    stage.note("where a text request's time goes")
    samples = stage.directory / "samples"
    samples.mkdir()
    request, repeats = chat("Hello", 1), stage.rounds(4000)
    server = stage.profiled(samples)
    client = stage.client(server.port)
    assert server.process
    pids = {"front": server.process.pid, "NPU": int(server.health()["npu_pid"])}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    seconds = median([client.post(CHAT, request)[0] for _ in range(repeats)])
    used = {name: (cpu_seconds(pid) - before[name]) / repeats for name, pid in pids.items()}
    server.stop()
    shares: list[dict[str, Any]] = []
    for name, parts in (("front", _FRONT), ("NPU", _NPU)):
        stacks: dict[str, int] = json.loads((samples / f"{pids[name]}.json").read_text())
        counts: Counter[str] = Counter()
        for stack, count in stacks.items():
            counts[_part(stack.split("\n"), parts)] += count
        total = max(1, counts.total() - counts["start"])
        shares += [
            {"process": name, "part": part, "seconds": used[name] * count / total}
            for part, count in counts.most_common()
            if part != "start"
        ]
    return {"seconds": seconds, "parts": shares}


def _part(stack: Sequence[str], parts: Sequence[tuple[str, Sequence[str]]]) -> str:
    if any("importlib" in file for file in stack):
        return "start"
    for file in stack:
        if "/sanic/server/runners" in file:
            break
        for name, words in parts:
            if any(word in file for word in words):
                return name
    return "event loop and system calls" if parts is _FRONT else "other"


def markdown(profile: dict[str, Any]) -> str:
    """The table for docs/performance.md."""
    lines = ["| process | part | CPU time |", "| --- | --- | --- |"]
    lines += [
        f"| {one['process']} | {one['part']} | {one['seconds'] * 1e6:.0f} us |" for one in profile["parts"]
    ]
    total = sum(one["seconds"] for one in profile["parts"])
    waited = profile["seconds"] * 1e6
    lines.append(f"| both | | {total * 1e6:.0f} us; the client waits {waited:.0f} us |")
    return "\n".join(lines)
