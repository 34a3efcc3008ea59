"""Images that mean harm: few bytes that become many, endless frames and scans, cut anywhere."""

import io
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from PIL import Image
from support.bombs import IMAGES, chunk
from support.pictures import plain, user
from support.server import Server

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.decode import to_frame

LIMITS = MediaConfig()
# docs/security.md tells operators this figure.
PEAK_BYTES = 1_200_000_000


def frame_or_error(data: bytes) -> str:
    """ "" for a frame, else the error's code; anything else that is raised fails the test."""
    try:
        frame = to_frame(data, (336, 336, 3), LIMITS)
    except RequestError as error:
        return error.kind if "0x" not in error.message else f"an address: {error.message}"
    assert frame.shape == (336, 336, 3)
    return ""


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "HEIC"])
def test_an_image_cut_anywhere_or_with_any_byte_changed(image_format: str) -> None:
    if image_format == "HEIC":  # which Pillow can't write
        whole = (Path(__file__).parent / "corpus/image/heic").read_bytes()
    else:
        buffer = io.BytesIO()
        Image.effect_noise((24, 16), 90).convert("RGB").save(buffer, image_format)
        whole = buffer.getvalue()
    step = max(1, len(whole) // 400)
    cut = {frame_or_error(whole[:length]) for length in range(len(whole))}
    assert cut <= {"", "invalid_image", "unsupported_image_format"}
    assert "invalid_image" in cut
    for place in range(0, len(whole), step):
        for value in (0x00, 0xFF, whole[place] ^ 0x80):
            changed = bytearray(whole)
            changed[place] = value
            assert frame_or_error(bytes(changed)) in (
                "", "invalid_image", "image_too_large", "unsupported_image_format",
            )  # fmt: skip


def with_chunk(kind: bytes, data: bytes) -> bytes:
    """A small PNG with one more chunk after its header."""
    whole = plain("red")
    return whole[:33] + chunk(kind, data) + whole[33:]


@cache
def packed_zeros() -> bytes:
    return zlib.compress(bytes(300_000_000), 9)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"zTXt", lambda: b"x\0\0" + packed_zeros()),
        (b"iCCP", lambda: b"x\0\0" + packed_zeros()),
        (b"iTXt", lambda: b"x\0\1\0\0\0" + packed_zeros()),
        (b"eXIf", lambda: b"II*\0\x08\0\0\0" + b"\xff" * 60_000),
    ],
    ids=["zTXt", "iCCP", "iTXt", "eXIf"],
)
def test_metadata_that_inflates(kind: bytes, data: Callable[[], bytes], server: Server) -> None:
    image = with_chunk(kind, data())
    before = peak(server)
    started = cpu_seconds(server)
    assert server.chat(user("?", image), max_tokens=2).status_code in (200, 400)
    assert cpu_seconds(server) - started < 10
    assert peak(server) - before < 100_000_000


def test_an_animation_of_very_many_frames_costs_one(server: Server) -> None:
    frame = plain("red", (16, 16), "GIF")
    start = frame.index(b",")
    gif = frame[:start] + frame[start:-1] * 20_000 + b";"
    started = cpu_seconds(server)
    assert "red" in server.answer(user("Which colour is this?", gif))
    assert cpu_seconds(server) - started < 10


def scans(count: int) -> bytes:
    """A progressive JPEG of 25 megapixels whose last scan comes again and again."""
    buffer = io.BytesIO()
    Image.new("L", (5000, 5000), 90).save(buffer, "JPEG", progressive=True)
    whole = buffer.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * count + whole[-2:]


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded(server: Server) -> None:
    started = cpu_seconds(server)
    response = server.chat(user("?", scans(150)))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_image"
    assert cpu_seconds(server) - started < 5
    assert server.chat(user("?", scans(3)), max_tokens=2).status_code == 200


def cpu_seconds(server: Server) -> float:
    """What the front process has computed so far."""
    assert server.process
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5)


def peak(server: Server) -> int:
    """The most memory that the front process ever had."""
    assert server.process
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_memory_stays_below_the_documented_figure(server: Server) -> None:
    """Several of the dearest images that are allowed, at once; each is answered."""
    names = ("HEIC, alpha", "JPEG, progressive, CMYK", "WebP, alpha", "RGB, alpha")
    parts = [{"type": "image_url", "image_url": {"url": IMAGES[name]()}} for name in names]
    messages = [{"role": "user", "content": [part]} for part in parts * 2]
    # They are decoded at a lower priority than everything else that runs on this machine.
    server.http.timeout = 320
    with ThreadPoolExecutor(len(messages)) as clients:
        answers = list(clients.map(lambda message: server.chat(message, max_tokens=2), messages))
    assert [answer.status_code for answer in answers] == [200] * len(messages)
    assert peak(server) < PEAK_BYTES
