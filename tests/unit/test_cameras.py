"""Images from cameras by link: who is told user and password, and the first image of a stream."""

import asyncio
import base64
import hashlib
import re
import time
import traceback
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from support.fetching import IMAGE, LOOPBACK, Names, fetch, refusal
from support.origin import Origin, redirect, response

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.addresses import Url
from hailo_vision.images.fetch import Fetcher
from hailo_vision.images.multipart import first_part


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin({"/": response(IMAGE)}) as started:
        yield started


def unauthorized(*challenges: str) -> bytes:
    return response(b"", "401 Unauthorized", *(f"WWW-Authenticate: {challenge}" for challenge in challenges))


def with_login(origin: Origin, path: str = "/") -> str:
    return origin.url(path, "ad%20min:p%40ss@127.0.0.1")


def heads(origin: Origin) -> list[str]:
    """What was told by each request's Authorization header."""
    found = [re.search(r"^Authorization: (.*)\r$", head, re.MULTILINE) for head in origin.asked]
    return [match[1] if match else "" for match in found]


@pytest.mark.parametrize("challenge", ['Basic realm="x"', "basic", 'Newfangled a="b", Basic realm="x"'])
@pytest.mark.parametrize("allow", [LOOPBACK, ("127.0.0.1",)])
def test_a_camera_is_told_user_and_password_when_it_asks(
    challenge: str, allow: tuple[str, ...], origin: Origin
) -> None:
    origin.guarded["/"] = unauthorized(challenge)
    assert fetch(with_login(origin), allow_hosts=allow) == IMAGE
    assert heads(origin) == ["", "Basic " + base64.b64encode(b"ad min:p@ss").decode()]


@pytest.mark.parametrize(
    ("challenge", "new_hash"),
    [
        ('Digest realm="the door", qop="auth,auth-int", nonce="abc", opaque="xyz"', "md5"),
        ('Digest realm="cam",nonce="abc"', "md5"),
        ('Basic realm="other", Digest realm="cam", nonce="abc", qop=auth, algorithm=SHA-256', "sha256"),
        ('Digest realm="cam", nonce="abc", qop="auth", algorithm=MD5-sess, Basic realm="other"', "md5"),
    ],
)
def test_digest_is_answered_without_the_password(challenge: str, new_hash: str, origin: Origin) -> None:
    origin.guarded["/snap?n=1"] = unauthorized(challenge, 'Digest realm="a", nonce="b", algorithm=ROT13')
    origin.responses["/snap?n=1"] = response(IMAGE)
    assert fetch(with_login(origin, "/snap?n=1"), allow_hosts=LOOPBACK) == IMAGE
    told = heads(origin)[1]
    assert told.startswith("Digest ")
    fields = urllib.request.parse_keqv_list(urllib.request.parse_http_list(told.removeprefix("Digest ")))
    assert fields["uri"] == "/snap?n=1"
    assert fields["username"] == "ad min"
    assert ("opaque" in fields) == ("opaque" in challenge)

    def digest(text: str) -> str:
        return hashlib.new(new_hash, text.encode()).hexdigest()

    secret = digest(f"ad min:{fields['realm']}:p@ss")
    if fields.get("algorithm", "").endswith("-sess"):
        secret = digest(f"{secret}:abc:{fields['cnonce']}")
    middle = f"abc:{fields['nc']}:{fields['cnonce']}:auth" if "qop" in fields else "abc"
    assert fields["response"] == digest(f"{secret}:{middle}:{digest('GET:/snap?n=1')}")


def test_nobody_else_is_told_the_password(origin: Origin) -> None:
    challenge = 'Basic realm="x"'
    with Origin({"/": unauthorized(challenge)}) as other:
        for host in ("127.0.0.1", "other.lan"):
            origin.responses["/moved"] = redirect(other.url("/", host))
            names = Names(other_lan=["127.0.0.1"])
            error = refusal(with_login(origin, "/moved"), names, allow_hosts=LOOPBACK)
            assert error.kind == "invalid_image_url"
            assert "user and a password" in error.message
        assert heads(other) == ["", ""]
    origin.responses["/moved"] = redirect("/")
    origin.guarded["/"] = unauthorized(challenge)
    assert fetch(with_login(origin, "/moved"), allow_hosts=LOOPBACK) == IMAGE


def test_a_name_that_has_become_a_strangers_is_told_nothing(origin: Origin) -> None:
    """The second asking gives an address that may be dialled, but is not the operator's."""
    names = Names(camera_lan=iter(["127.0.0.1", "93.184.216.34"]))
    asked: list[str | None] = []

    class Watched(Fetcher):
        async def _get(self, url: Url, addresses: Sequence[str], login: str | None) -> Any:
            asked.append(login)
            if len(asked) == 2:
                raise ConnectionError
            return await super()._get(url, addresses, login)

    origin.responses["/moved"] = redirect("/again")
    fetcher = Watched(MediaConfig(allow_hosts=LOOPBACK), names)
    with pytest.raises(RequestError, match="could not be fetched"):
        asyncio.run(fetcher.get(origin.url("/moved", "a:b@camera.lan")))
    assert asked == ["a:b", None]


def test_a_stranger_gets_no_login(origin: Origin) -> None:
    names = Names(public_test=["93.184.216.34"])
    link = f"http://a:b@public.test:{origin.port}/"
    assert refusal(link, names, allow_hosts=LOOPBACK).kind == "image_url_not_allowed"
    assert refusal(with_login(origin)).kind == "image_url_not_allowed"
    assert origin.asked == []


def test_a_wrong_password_is_told_once_and_in_no_message(
    origin: Origin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "hailo_vision")
    origin.responses["/"] = unauthorized('Basic realm="x"')
    error = refusal(with_login(origin), allow_hosts=LOOPBACK)
    assert error.kind == "invalid_image_url"
    assert len(origin.asked) == 2
    told = "".join([error.message, *traceback.format_exception(error), caplog.text])
    assert not re.search("p@ss|p%40ss|YWQgbWluO", told)


def stream(*parts: bytes, kind: str = "multipart/x-mixed-replace; boundary=frame") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode() + b"".join(parts)


@pytest.mark.parametrize(
    "answer",
    [
        stream(b"--frame\r\nContent-Type: image/png\r\n\r\n", IMAGE, b"\r\n--frame\r\nContent-Type: x\r\n"),
        stream(b"--frame\r\nContent-Length: %d\r\n\r\n" % len(IMAGE), IMAGE, b"\r\n--frame"),
        stream(b"\r\n--frame\nX: y\n\n", IMAGE, b"\n--frame\n"),
        stream(
            b"--other\r\nX: y\r\n\r\n",
            IMAGE,
            b"\r\n--other--",
            kind="Multipart/X-Mixed-Replace;boundary=--other",
        ),
    ],
)
def test_the_first_image_of_a_stream_is_the_image(answer: bytes, origin: Origin) -> None:
    """At once: the camera sends nothing more, and does not hang up."""
    origin.endless["/video"] = answer
    begun = time.monotonic()
    assert fetch(origin.url("/video"), seconds=60, allow_hosts=LOOPBACK).removesuffix(b"\r") == IMAGE
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    "answer", [stream(b"<html>"), stream(b"x" * 9000), stream(b"--a\r\nX: y\r\n\r\nend")]
)
def test_a_stream_without_an_image_is_told(answer: bytes, origin: Origin) -> None:
    origin.responses["/video"] = answer
    assert refusal(origin.url("/video"), allow_hosts=LOOPBACK).kind == "invalid_image_url"


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_the_first_image_is_found_however_its_stream_falls_into_pieces(size: int) -> None:
    whole, body = b"--a\r\nX: y\r\n\r\n" + IMAGE[:300] + b"\n--a\r\n", bytearray()
    found = []
    for at in range(0, len(whole), size):
        piece = whole[at : at + size]
        body += piece
        found.append(first_part(body, len(piece)))
    assert next(image for image in found if image is not None) == IMAGE[:300]


def test_a_stream_is_limited_like_an_image(origin: Origin) -> None:
    origin.responses["/video"] = stream(b"--a\r\nX: y\r\n\r\n", bytes(3000))
    error = refusal(origin.url("/video"), allow_hosts=LOOPBACK, max_image_bytes=2000)
    assert error.kind == "image_too_large"
