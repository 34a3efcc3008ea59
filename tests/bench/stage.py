"""What the measurements share: servers that are cleaned up, pictures, and how thorough to be."""

import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from PIL import Image
from support.pictures import image_part
from support.server import MODEL, ROOT, Server

from hailo_vision.config import MediaConfig
from hailo_vision.images.decode import Frame, to_frame
from tests.bench.direct import MODULES, Direct
from tests.bench.wire import Client

SHAPE = (336, 336, 3)
SAMPLER = Path(__file__).parent / "sampler"
CHAT = "/v1/chat/completions"


class Stage:
    """Everything that one run starts; leaving it stops all of it.

    Attributes:
        quick: measure as little as will do, to see that it works; the figures mean nothing.
    """

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self._stack = ExitStack()
        self._number = 0

    def __enter__(self) -> Self:
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="hailo-bench-")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def rounds(self, thorough: int) -> int:
        return 1 if self.quick else thorough

    def large_photo(self) -> bytes:
        """A JPEG of 12 megapixels."""
        return jpeg(800, 600) if self.quick else jpeg(4000, 3000)

    def note(self, what: str) -> None:
        """Tell what is being measured."""
        print(f"... {what}", file=sys.stderr, flush=True)

    def files(self, scale: float, *, journal: bool = False, **config: dict[str, Any]) -> Server:
        """A service's files, nothing running yet."""
        self._number += 1
        emulator = {"time_scale": self.scale(scale)} | ({} if journal else {"journal": ""})
        server = Server(self.directory / f"run{self._number}", config=config, emulator=emulator)
        self._stack.callback(server.close)
        return server

    def scale(self, scale: float) -> float:
        return min(scale, 0.02) if self.quick else scale

    def service(self, scale: float, *, journal: bool = False, **config: dict[str, Any]) -> Server:
        """A running service on an emulated NPU of its own; config are sections of its file."""
        return self.files(scale, journal=journal, **config).start()

    def profiled(self, samples: Path) -> Server:
        """A running service, scale 0, whose two processes leave samples of their CPU time at their end."""
        server = self.files(0)
        server.extra_environment = {
            "PYTHONPATH": f"{ROOT / 'emulator'}:{SAMPLER}",
            "HAILO_BENCH_SAMPLES": str(samples),
        }
        return server.start()

    def direct(self, scale: float, frame: Frame) -> Direct:
        """A running bare loop on an emulated NPU of its own."""
        files = self.files(scale)
        path = files.directory / "frame.npy"
        np.save(path, frame)
        loop = Direct(files, path)
        self._stack.callback(loop.close)
        return loop

    def bare(self, module: str, events: bytes) -> tuple[int, int]:
        """A running bare_sanic or bare_relay: its port and its process."""
        path = self.directory / f"{module}-events"
        path.write_bytes(events)
        return self._spawn(f"tests.bench.{module}", str(path), files=None)

    def predecessor(self, scale: float) -> int:
        """A running plain aiohttp service: its port."""
        files = self.files(scale)
        return self._spawn("tests.bench.predecessor", str(files.hef), files=files)[0]

    def client(self, port: int) -> Client:
        client = Client(port)
        self._stack.callback(client.close)
        return client

    def _spawn(self, module: str, *arguments: str, files: Server | None) -> tuple[int, int]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        environment = (files.environment() if files else dict(os.environ)) | MODULES
        command = [sys.executable, "-m", module, str(port), *arguments]
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL)
        self._stack.callback(_end, process)
        wait_for_port(port, process)
        return port, process.pid


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return as soon as something listens.

    Raises:
        RuntimeError: the process ended, or a minute passed.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.001)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@cache
def jpeg(width: int, height: int) -> bytes:
    """A photograph from tests/data at this size, with a sensor's noise, so that it weighs what photos do."""
    with Image.open(ROOT / "tests/data/coffee.jpg") as photo:
        pixels = np.asarray(photo.convert("RGB").resize((width, height), Image.Resampling.BICUBIC), np.int16)
    noise = np.random.default_rng(7).normal(0, 4, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def frame_of(picture: bytes) -> Frame:
    """The frame that the service makes of a picture."""
    return to_frame(picture, SHAPE, MediaConfig())


def chat(prompt: str, max_tokens: int, picture: bytes | None = None, **fields: object) -> bytes:
    """The body of a greedy chat request."""
    content: list[dict[str, object]] = [{"type": "text", "text": prompt}]
    if picture is not None:
        content.insert(0, image_part(picture))
    return body([{"role": "user", "content": content}], max_tokens, **fields)


def body(messages: list[dict[str, Any]], max_tokens: int, **fields: object) -> bytes:
    """The body of a greedy chat request with any messages."""
    return msgspec.json.encode(
        {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": max_tokens, **fields}
    )
