"""Images of every kind, through the API: what the model sees of them, and what they cost the service."""

import asyncio
import base64
import io
import time
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from support.origin import Origin, redirect, response
from support.pictures import DATA, data_uri, photo, plain, user
from support.server import MODEL, Server
from support.slow import client_of, leave, until


def encoded(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def colour(server: Server, image: bytes) -> str:
    return server.answer(user("Which colour is this?", image))


def halves(left: str, right: str) -> Image.Image:
    image = Image.new("RGB", (80, 60), left)
    image.paste(right, (40, 0, 80, 60))
    return image


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF"])
def test_formats_are_told_by_content(image_format: str, server: Server) -> None:
    assert "red" in colour(server, plain("red", image_format=image_format))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "I;16", "CMYK", "I", "PA"])
def test_modes(mode: str, server: Server) -> None:
    grey = Image.new("L", (64, 48), 255)
    if mode in ("I", "I;16"):
        image = encoded(Image.fromarray(np.full((48, 64), 65535, np.uint16)))
    elif mode == "CMYK":
        image = encoded(Image.new("CMYK", (64, 48), (0, 0, 0, 0)), "JPEG")
    elif mode == "PA":
        image = encoded(grey.convert("P"), transparency=0)
    else:
        image = encoded(grey.convert(mode))
    assert "white" in colour(server, image)


def test_a_palette_keeps_its_colours(server: Server) -> None:
    assert "red" in colour(server, encoded(Image.new("RGB", (64, 48), "red").quantize(4)))


def test_transparency_is_white(server: Server) -> None:
    assert "white" in colour(server, encoded(Image.new("RGBA", (64, 48), (255, 0, 0, 0))))


def test_an_animation_shows_its_first_frame(server: Server) -> None:
    frames = [Image.new("RGB", (64, 48), name) for name in ("red", "blue", "green")]
    for image_format in ("GIF", "WEBP", "PNG"):
        image = encoded(frames[0], image_format, save_all=True, append_images=frames[1:], lossless=True)
        assert "red" in colour(server, image)


def test_exif_turns_the_image(server: Server) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = encoded(halves("red", "blue").rotate(180), "JPEG", quality=95, exif=exif)
    assert server.answer(user("Layout?", turned)) == server.answer(
        user("Layout?", encoded(halves("red", "blue"), "JPEG", quality=95))
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 4000), (2, 1), (336, 336)])
@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_any_size_will_do(size: tuple[int, int], image_format: str, server: Server) -> None:
    assert server.answer(user("What is this?", plain("red", size, image_format)))


def test_a_frame_has_the_right_bytes_whatever_the_image(server: Server) -> None:
    seen = [
        entry for entry in server.journal() if entry["event"] in ("non_contiguous", "poisoned", "assertion")
    ]
    assert seen == []


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its few bytes hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (10_000, 5_001), (0, 0)])
def test_too_many_pixels_are_refused_by_the_header(size: tuple[int, int], server: Server) -> None:
    started = time.monotonic()
    response = server.chat(user("?", bomb(*size)))
    assert response.status_code == 400
    assert response.json()["error"]["code"] in ("image_too_large", "invalid_image")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_truncated_images_are_errors(image_format: str, server: Server) -> None:
    whole = encoded(Image.effect_noise((64, 48), 50).convert("RGB"), image_format)
    for keep in (0.1, 0.5, 0.9):
        cut = whole[: int(len(whole) * keep)]
        assert server.chat(user("?", cut)).json()["error"]["code"] == "invalid_image"


def test_many_bytes_are_refused(server: Server) -> None:
    huge = data_uri(bytes(11 * 1024 * 1024))
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": huge}}]}
    error = server.chat(message).json()["error"]
    assert error["code"] == "image_too_large"


def test_how_an_image_is_fitted_is_a_setting(make_server: Callable[..., Server]) -> None:
    wide = encoded(halves("red", "blue").resize((800, 60)))
    answers = set()
    for fit in ("letterbox", "crop", "stretch"):
        server = make_server(config={"media": {"fit": fit}}).start()
        answers.add(server.answer(user("Describe the layout and colours in detail", wide)))
        server.close()
    assert len(answers) == 3


def test_linked_images(make_server: Callable[..., Server]) -> None:
    with Origin({"/red.png": response(plain("red")), "/page": response(b"<html>")}) as origin:
        origin.responses["/moved"] = redirect("/red.png")
        origin.responses["/inside"] = redirect("http://10.0.0.1/")
        closed = make_server().start()

        def link(path: str) -> dict[str, Any]:
            return {"type": "image_url", "image_url": {"url": origin.url(path)}}

        error = closed.chat({"role": "user", "content": [link("/red.png")]}).json()["error"]
        assert error["code"] == "image_url_not_allowed"
        assert error["param"] == "messages[0].content[0].image_url.url"
        assert origin.asked == []
        closed.close()
        server = make_server(config={"media": {"allow_hosts": ["127.0.0.1"]}}).start()
        question = {"type": "text", "text": "Which colour is this?"}
        for path in ("/red.png", "/moved"):
            assert "red" in server.answer({"role": "user", "content": [question, link(path)]})
        for path, code in (("/inside", "image_url_not_allowed"), ("/page", "invalid_image")):
            for stream in (False, True):
                refused = server.chat({"role": "user", "content": [question, link(path)]}, stream=stream)
                assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
        results = server.http.post(
            "/v1/vision/analyze", json={"images": [origin.url("/red.png")], "prompt": "Colour?"}
        ).json()["results"]
        assert results[0]["analysis"]
        assert results[0]["image_url"] == origin.url("/red.png")


def test_a_link_is_asked_once_a_request(make_server: Callable[..., Server]) -> None:
    """A camera has another picture each time, and some links are good for one time only."""
    media = {"allow_hosts": ["127.0.0.1"], "overflow": "sample"}
    server = make_server(config={"media": media}).start()
    with Origin({"/photo": response(plain("red"))}) as origin:
        link = {"type": "image_url", "image_url": {"url": origin.url("/photo")}}
        never = {"type": "object", "properties": {"x": False}, "required": ["x"]}
        wanted = {"type": "json_schema", "json_schema": {"name": "never", "schema": never}}
        answer = server.chat({"role": "user", "content": [link]}, response_format=wanted)
        assert answer.json()["json_report"]["attempts"] == 2
        assert len(origin.asked) == 1
        streamed = server.chat({"role": "user", "content": [link]}, response_format=wanted, stream=True)
        assert '"attempts":2' in streamed.text
        assert len(origin.asked) == 2
        many = [link] * 13 + [{"type": "text", "text": "word " * 300}]
        sampled = server.chat({"role": "user", "content": many}, max_tokens=2)
        assert int(sampled.headers["x-images-left-out"]) > 0
        assert len(origin.asked) == 2 + 13


async def test_a_picture_that_nobody_waits_for_any_more_holds_nobody_up(
    make_server: Callable[..., Server],
) -> None:
    """Eight are fetched at once. Its client may have left, another picture of the request may be none, or the
    service may stop."""
    server = make_server(config={"media": {"allow_hosts": ["127.0.0.1"], "fetch_timeout": 25}}).start()
    with Origin({"/red.png": response(plain("red"))}) as origin:
        origin.endless["/never"] = b"HTTP/1.1 200 OK\r\n"

        def body(*paths: str) -> dict[str, Any]:
            links = [{"type": "image_url", "image_url": {"url": origin.url(path)}} for path in paths]
            content = [*links, {"type": "text", "text": "Which colour is this?"}]
            return {"model": MODEL, "messages": [{"role": "user", "content": content}]}

        def asked(times: int) -> Callable[[], bool]:
            return lambda: sum("/never" in head for head in origin.asked) == times

        async with client_of(server) as client:
            await leave(client, "/v1/chat/completions", body(*["/never"] * 8), asked(8))
            answer = await client.post("/v1/chat/completions", json=body("/red.png"))
            assert answer.status_code == 200, answer.text
            failed = await client.post("/v1/chat/completions", json=body("/missing", *["/never"] * 7))
            assert failed.status_code == 400
            answer = await client.post("/v1/chat/completions", json=body(*["/red.png"] * 2))
            assert answer.status_code == 200, answer.text
            waiting = asyncio.create_task(client.post("/v1/chat/completions", json=body("/never")))
            await until(lambda: server.health()["queue"]["waiting"] == 1)
            await until(lambda: "/never" in origin.asked[-1])
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 15
            assert (await waiting).status_code == 503


def test_a_cameras_password_is_in_no_log_and_no_error(make_server: Callable[..., Server]) -> None:
    asks = response(b"", "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"')
    with Origin({"/red.png": response(plain("red")), "/closed": asks}) as origin:
        origin.guarded["/red.png"] = asks
        origin.responses |= {"/elsewhere": redirect("http://10.0.0.1/"), "/missing": response(b"", "404 No")}
        server = make_server(config={"media": {"allow_hosts": ["127.0.0.1"]}}).start()

        def ask(path: str) -> httpx.Response:
            link = origin.url(path, "admin:geheim@127.0.0.1")
            part = {"type": "image_url", "image_url": {"url": link}}
            return server.chat(user("Which colour is this?") | {"content": [part]}, max_tokens=3)

        assert ask("/red.png").status_code == 200
        told = [ask(path) for path in ("/closed", "/elsewhere", "/missing", "/red.png\\")]
        assert [answer.status_code for answer in told] == [400] * 4
        assert [origin.asked[1].count("Authorization: Basic"), len(origin.asked)] == [1, 6]
        secret = base64.b64encode(b"admin:geheim").decode()
        for text in (*(answer.text for answer in told), server.log()):
            assert "geheim" not in text
            assert secret not in text


def test_a_heic_and_the_first_image_of_a_stream(make_server: Callable[..., Server]) -> None:
    video = b"--f\r\nContent-Type: image/png\r\n\r\n" + plain("red") + b"\r\n--f\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=f\r\n\r\n"
    with Origin({}) as origin:
        origin.endless["/video"] = head + video
        server = make_server(config={"media": {"allow_hosts": ["127.0.0.1"]}}).start()
        link = {"type": "image_url", "image_url": {"url": origin.url("/video")}}
        question = {"type": "text", "text": "Which colour is this?"}
        assert "red" in server.answer({"role": "user", "content": [question, link]})
    assert server.answer(user("What is this?", (DATA / "coffee.heic").read_bytes()))


def test_a_photo_with_percent_signs_and_url_safe_base64(server: Server) -> None:
    image = photo("coffee")
    expected = server.answer(user("What is this?", image))
    safe = base64.urlsafe_b64encode(image).decode().rstrip("=")
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image", "image": safe}]
    assert server.answer({"role": "user", "content": parts}) == expected
