"""Images by link: what is followed, what is dialled, and what ends it."""

import asyncio
import contextlib
import errno
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.certificates import issue
from support.fetching import IMAGE, LOOPBACK, Names, fetch, refusal
from support.origin import Origin, redirect, response

from hailo_vision.images.addresses import Forbidden, Malformed, parse_url
from hailo_vision.images.fetch import _redirected


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin({"/": response(IMAGE)}) as started:
        yield started


def test_an_allowed_network_is_fetched_from(origin: Origin) -> None:
    assert fetch(origin.url("/"), allow_hosts=LOOPBACK) == IMAGE


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "http://[::1", "nonsense"])
def test_no_proxy_of_the_environment_is_used(
    proxy: str, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would dial what it resolves itself, and not the address that was checked."""
    for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    assert fetch(origin.url("/"), allow_hosts=LOOPBACK) == IMAGE


def test_a_name_is_resolved_once_and_asked_for_by_name(origin: Origin) -> None:
    names = Names(camera_lan=iter(["127.0.0.1", "10.0.0.1"]))
    assert fetch(origin.url("/", "camera.lan"), names, allow_hosts=LOOPBACK) == IMAGE
    assert names.asked == ["camera.lan"]
    assert f"Host: camera.lan:{origin.port}\r\n" in origin.asked[0]


def test_an_allowed_name_may_lead_anywhere(origin: Origin) -> None:
    names = Names(camera_lan=["127.0.0.1"])
    assert fetch(origin.url("/", "Camera.LAN"), names, allow_hosts=("camera.lan",)) == IMAGE


def test_nothing_but_the_image_is_asked_for(origin: Origin) -> None:
    fetch(origin.url("/"), allow_hosts=LOOPBACK)
    head = origin.asked[0].lower()
    assert "cookie" not in head
    assert "authorization" not in head
    assert "accept-encoding: identity" in head


@pytest.mark.parametrize(
    "names",
    [
        Names(evil_test=["127.0.0.1"]),
        Names(evil_test=["93.184.216.34", "127.0.0.1"]),
        Names(evil_test=["::ffff:127.0.0.1"]),
        Names(evil_test=["169.254.169.254"]),
        Names(evil_test=["fe80::1%lo"]),
    ],
)
def test_a_name_with_an_address_inside_is_forbidden(names: Names, origin: Origin) -> None:
    assert refusal(origin.url("/", "evil.test"), names).kind == "image_url_not_allowed"
    assert origin.asked == []


def test_every_refusal_has_the_same_words(origin: Origin) -> None:
    names = Names(evil_test=["10.0.0.1"], x_test=["93.184.216.34"])
    links = [
        origin.url("/"),
        "http://evil.test/",
        "http://a:b@x.test/",
        "http://[::1]/",
    ]
    assert len({(refusal(link, names).message, refusal(link, names).kind) for link in links}) == 1


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
def test_a_redirect_is_followed(status: str, origin: Origin) -> None:
    origin.responses["/old"] = redirect("/", status)
    assert fetch(origin.url("/old"), allow_hosts=LOOPBACK) == IMAGE


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "//evil.test/",
        "http://u@127.0.0.1:{port}/",
        "http://u:p@127.0.0.1:{port}/",
    ],
)
def test_every_hop_is_checked(location: str, origin: Origin) -> None:
    origin.responses["/a"] = redirect("/b")
    origin.responses["/b"] = redirect(location.format(port=origin.port))
    names = Names(evil_test=["10.0.0.1"])
    assert refusal(origin.url("/a"), names, allow_hosts=("127.0.0.1",)).kind == "image_url_not_allowed"
    assert len(origin.asked) == 2


def test_a_name_that_changes_between_two_hops_is_checked_again(origin: Origin) -> None:
    origin.responses["/a"] = redirect("/")
    names = Names(turncoat_test=iter(["127.0.0.1", "10.0.0.1"]))
    error = refusal(origin.url("/a", "turncoat.test"), names, allow_hosts=LOOPBACK)
    assert error.kind == "image_url_not_allowed"


def test_redirects_come_to_an_end(origin: Origin) -> None:
    origin.responses["/loop"] = redirect("/loop")
    assert refusal(origin.url("/loop"), allow_hosts=LOOPBACK).kind == "invalid_image_url"
    assert len(origin.asked) == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (redirect("http://[::1"), "invalid_image_url"),
        (redirect("file:///etc/passwd"), "invalid_image_url"),
        (redirect("rtsp://127.0.0.1/"), "invalid_image_url"),
        (response(b"", "404 Not Found"), "invalid_image_url"),
        (response(b"", "401 Unauthorized"), "invalid_image_url"),
        (response(b"", "204 No Content"), "invalid_image_url"),
        (response(b"", "302 Found"), "invalid_image_url"),
        (response(IMAGE, "200 OK", "Content-Encoding: gzip"), "invalid_image_url"),
        (response(b"", "500 Broken"), "image_fetch_failed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "image_fetch_failed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nshort", "image_fetch_failed"),
        (b"", "image_fetch_failed"),
    ],
)
def test_what_is_no_image_is_told(answer: bytes, code: str, origin: Origin) -> None:
    origin.responses["/x"] = answer
    assert refusal(origin.url("/x"), allow_hosts=LOOPBACK).kind == code


def test_a_refused_connection_and_an_unknown_name_are_failures() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        link = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        error = refusal(link, allow_hosts=LOOPBACK)
    assert error.kind == refusal("http://nowhere.test/").kind == "image_fetch_failed"


def test_a_machine_without_curl_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    error = refusal("http://127.0.0.1:8080/", allow_hosts=LOOPBACK)
    assert (error.kind, "curl is not installed" in error.message) == ("internal_error", True)


def test_a_lack_of_processes_or_files_is_no_fault_of_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", lacking)
    error = refusal("http://127.0.0.1:8080/", allow_hosts=LOOPBACK)
    assert (error.kind, error.retry_after) == ("overloaded", 10.0)


def test_a_curl_that_is_killed_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    curl = tmp_path / "curl"
    curl.write_text("#!/bin/sh\nread -r link\nkill -9 $$\n")
    curl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal("http://127.0.0.1:8080/", allow_hosts=LOOPBACK).kind == "image_fetch_failed"


@pytest.mark.parametrize("chunked", [False, True])
def test_the_size_is_limited_while_it_comes(chunked: bool, origin: Origin) -> None:
    body = b"x" * 3000
    origin.responses["/big"] = response(body)
    if chunked:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        origin.responses["/big"] = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert refusal(origin.url("/big"), allow_hosts=LOOPBACK, max_image_bytes=2999).kind == "image_too_large"
    assert fetch(origin.url("/big"), allow_hosts=LOOPBACK, max_image_bytes=3000) == body


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"]
)
def test_a_trickle_ends_at_the_deadline(start: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trickle = _trickle(listener, start)
        link = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert refusal(link, seconds=0.4, allow_hosts=LOOPBACK).kind == "image_fetch_failed"
        trickle()


def _trickle(listener: socket.socket, start: bytes) -> Callable[[], None]:
    """Answer with a start and then a byte now and then; returns how to stop."""
    stop = threading.Event()

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(start)
                while not stop.wait(0.05):
                    connection.sendall(b"a")
            except OSError:
                return

    thread = threading.Thread(target=run)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end


@pytest.mark.parametrize(
    ("remote", "link", "allowed"),
    [
        ("off", "http://127.0.0.1:{port}/", False),
        ("allowed", "http://127.0.0.1:{port}/", True),
        ("allowed", "http://public.test:{port}/", False),
    ],
)
def test_links_can_be_restricted_further(remote: str, link: str, allowed: bool, origin: Origin) -> None:
    names = Names(public_test=["93.184.216.34"])
    config: dict[str, Any] = {"remote": remote, "allow_hosts": LOOPBACK}
    if allowed:
        assert fetch(link.format(port=origin.port), names, **config) == IMAGE
    else:
        assert refusal(link.format(port=origin.port), names, **config).kind == "image_url_not_allowed"


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = issue(tmp_path, "DNS:camera.lan")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    names = Names(camera_lan=["127.0.0.1"], other_lan=["127.0.0.1"])
    for name in ("CURL_CA_BUNDLE", "SSL_CERT_DIR"):  # which curl looks at first
        monkeypatch.delenv(name, raising=False)
    with Origin({"/": response(IMAGE)}, context) as origin:
        stranger = refusal(origin.url("/", "camera.lan"), names, allow_hosts=LOOPBACK)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.chain))
        known = fetch(origin.url("/", "camera.lan"), names, allow_hosts=LOOPBACK)
        misnamed = refusal(origin.url("/", "other.lan"), names, allow_hosts=LOOPBACK)
    assert known == IMAGE
    assert stranger.kind == misnamed.kind == "image_fetch_failed"


@pytest.mark.parametrize("location", [b"/a b/\xc3\xbc", b"/a%20b/%C3%BC", b" /a b/%C3%BC ", "/a b/ü"])
def test_spaces_and_umlauts_are_percent_encoded(location: bytes | str, origin: Origin) -> None:
    origin.responses["/a%20b/%C3%BC"] = response(IMAGE)
    link = origin.url("/moved")
    if isinstance(location, str):
        link = origin.url(location)
    else:
        origin.responses["/moved"] = (
            b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
        )
    assert fetch(link, allow_hosts=LOOPBACK) == IMAGE


def test_a_byte_of_another_encoding_stays_what_it_is(origin: Origin) -> None:
    origin.responses["/%FC"] = response(IMAGE)
    origin.responses["/moved"] = b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: /\xfc\r\n\r\n"
    assert fetch(origin.url("/moved"), allow_hosts=LOOPBACK) == IMAGE


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["", "http://", "//", "http://[::1", "http://127.0.0.1:", "?", "http:"]),
    st.text(st.characters(categories=["L", "N", "P", "S", "Z"]), max_size=20),
)
def test_wherever_a_redirect_leads_it_is_an_error_or_a_link(start: str, rest: str) -> None:
    with contextlib.suppress(Malformed, Forbidden):
        assert _redirected(parse_url("http://camera.lan/a/b?c"), start + rest).target.startswith("/")
