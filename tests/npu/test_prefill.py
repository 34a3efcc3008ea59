"""Prefill in parts: the outcome of one call, as few chunks, and an abort that need not wait for all of it."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from math import ceil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from support.pictures import DATA, plain, user
from support.server import MODEL, Server

from hailo_vision.npu.process import NpuProcess, Prompt
from hailo_vision.npu.protocol import Generate, GenerationEvent, Load, Pieces, Sampling, Started

MakeServer = Callable[..., Server]

# What one call of the 5.2.0 answers: its pieces, as JSON.
IN_ONE_CALL = """
import json, sys
import numpy as np
from hailo_platform import VDevice
from hailo_platform.genai import VLM
path, prompt, frames, parameters = sys.argv[1:]
with VDevice() as device, VLM(device, path) as vlm:
    call = dict(prompt=prompt, frames=list(np.load(frames)), **json.loads(parameters))
    with vlm.generate(**call) as completion:
        print(json.dumps(list(completion)))
"""
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
GREEDY = (Sampling(), {"do_sample": False})
SEEDED = (
    Sampling(temperature=1.0, top_p=0.9, top_k=20, seed=7),
    {"do_sample": True, "temperature": 1.0, "top_p": 0.9, "top_k": 20, "seed": 7},
)


def photographs(count: int) -> list[np.ndarray[Any, Any]]:
    """Frames of the photographs in tests/data, turned and turned again."""
    files = sorted(DATA.glob("*.jpg"))
    pictures = []
    for number in range(count):
        picture = Image.open(files[number % len(files)]).convert("RGB").resize((336, 336))
        pictures.append(np.array(picture.rotate(40 * (number // len(files)))))
    return pictures


def prompt_of(pictures: int, words: str = "Compare these pictures in detail.") -> str:
    return (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n{pictures * PICTURE}{words}<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """An emulated HailoRT 5.1.1, which this process's children meet."""
    server = Server(tmp_path / "run")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    server.http.close()
    return server


@pytest.fixture
async def process(stage: Server) -> AsyncIterator[NpuProcess]:
    process = await NpuProcess.start()
    await process.load(Load(str(stage.hef), "SHARED", ()), 60)
    yield process
    await process.stop()


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED], ids=["greedy", "seeded"])
@pytest.mark.parametrize("pictures", [6, 10, 13])
async def test_parts_answer_as_one_call_does(
    sampling: tuple[Sampling, dict[str, Any]],
    pictures: int,
    stage: Server,
    process: NpuProcess,
    tmp_path: Path,
) -> None:
    frames, text = photographs(pictures), prompt_of(pictures)
    events: list[GenerationEvent] = []
    order = Generate(text, len(frames), sampling[0], 60, None)
    await process.generate(Prompt(order, [frame.data.cast("B") for frame in frames]), events.append)
    answer = "".join("".join(event.texts) for event in events if isinstance(event, Pieces))

    journal = stage.journal()
    np.save(tmp_path / "frames.npy", np.stack(frames))
    parameters = json.dumps({**sampling[1], "max_generated_tokens": 60})
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_CALL, stage.hef, text, tmp_path / "frames.npy", parameters],
        env={
            **stage.environment(),
            "HAILO_EMULATOR_VERSION": "5.2.0",
            "HAILO_EMULATOR_JOURNAL": "",
            "HAILO_EMULATOR_STATE_DIR": str(tmp_path),  # a chip of its own
        },
        check=True,
        capture_output=True,
    )
    pieces: list[str] = json.loads(done.stdout)
    assert answer
    assert answer == "".join(pieces[:60]).replace("<|im_end|>", "")

    sent = [digest for event in journal if event["event"] == "generate" for digest in event["frames"]]
    assert sent == [hashlib.sha256(frame.data).hexdigest() for frame in frames]  # each once, in order
    begun = next(event for event in events if isinstance(event, Started))
    prefills = [event for event in journal if event["event"] == "prefill"]
    assert prefills[-1]["usage"] == begun.prompt_tokens
    assert begun.image_tokens == 144 * pictures
    # With 13 pictures no cut is near enough to a multiple of 96 tokens.
    assert sum(event["chunks"] for event in prefills) <= ceil(begun.prompt_tokens / 96) + (pictures == 13)


def test_more_pictures_than_five_on_5_1_1(make_server: MakeServer) -> None:
    server = make_server().start()
    colours = ["red", "green", "blue", "yellow", "black", "white", "orange"]
    body = server.chat(user(*map(plain, colours), "Which colours do you see?")).json()
    assert body["usage"]["prompt_tokens_details"]["image_tokens"] == 7 * 144
    assert "orange" in body["choices"][0]["message"]["content"]


@pytest.mark.parametrize("version", ["5.1.1", "5.2.0"])
def test_more_pictures_than_the_context_holds(version: str, make_server: MakeServer) -> None:
    server = make_server(emulator={"version": version}).start()
    assert server.chat(user(*[plain("red")] * 13, "What?")).status_code == 200
    for count in (14, 15, 40):
        refused = server.chat(user(*[plain("red")] * count, "What?"))
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(("version", "calls"), [("5.1.1", [4, 3]), ("5.2.0", [7])])
def test_with_a_penalty_there_are_no_more_calls_than_the_frames_demand(
    version: str, calls: list[int], make_server: MakeServer
) -> None:
    server = make_server(emulator={"version": version}).start()
    assert server.chat(user(*[plain("red")] * 7, "word " * 700), repetition_penalty=1.2).status_code == 200
    found = [len(event["frames"]) for event in server.journal() if event["event"] == "generate"]
    assert (len(found), sum(found)) == (len(calls), sum(calls))


def test_an_abort_in_a_long_prefill_waits_for_the_part_at_work(make_server: MakeServer) -> None:
    slow = {"load": 0.1, "frame_encode": 0.05, "prefill_chunk": 0.5}
    server = make_server(emulator={"time_scale": 1.0, "timing": slow}).start()
    words = "sentence by sentence " * 400
    body = {"model": MODEL, "messages": [{"role": "user", "content": words}]}
    with pytest.raises(httpx.ReadTimeout):
        server.http.post("/v1/chat/completions", json=body, timeout=1.0)
    left = time.monotonic()
    server.wait_for(lambda: server.health()["queue"]["running"] == 0)
    assert time.monotonic() - left < 6  # all of it takes more than 8 s
    server.wait_for(lambda: server.health()["state"] == "ready")
    calls = [event["prompt"] for event in server.journal() if event["event"] == "generate"]
    assert len("".join(calls)) < len(words) / 2
    assert server.answer({"role": "user", "content": "Hello"})
