"""Links that want to be followed to where the client itself can't go, through the API and by every notation.

The named vulnerabilities are those of other servers, see CVE and GHSA numbers; each is tried on this one.
"""

import asyncio
import base64
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.origin import Origin, redirect, response
from support.pictures import plain
from support.server import Server

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.fetch import Fetcher

# One address of every range that is not public, by the registries of the IANA.
INSIDE = (
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.254", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
)
# A resolver in the service's own process: each name has its answers, one after the other, the last for ever.
_RESOLVER = """
import json, os, socket
names, asked = json.loads(os.environ["NAMES"]), os.environ["NAMES_ASKED"]
real = socket.getaddrinfo

def getaddrinfo(host, port, *arguments, **options):
    if host not in names:
        return real(host, port, *arguments, **options)
    with open(asked, "a") as file:
        file.write(host + "\\n")
    addresses = names[host]
    address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

socket.getaddrinfo = getaddrinfo
"""


def notations(address: str) -> Iterator[str]:
    """The hosts of URLs that some library takes for an IPv4 address."""
    number = int(ipaddress.IPv4Address(address))
    a, b, c, d = ipaddress.IPv4Address(address).packed
    high, low = divmod(number, 65536)
    yield address
    yield f"{address}."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"{a:03}.{b:03}.{c:03}.{d:03}"
    yield f"{a}.{b}.{c * 256 + d}"
    yield f"{a}.{number % 2**24}"
    yield f"{a}.{b}.{c}.{d:#x}"
    yield address.replace(".", "%2e")
    yield f"%{ord(address[0]):x}{address[1:]}"
    yield address.replace(".", "。")
    yield address.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    for prefix in ("::ffff:", "::", "64:ff9b::", "64:ff9b:1::", "::ffff:0:"):
        yield f"[{prefix}{address}]"
        yield f"[{prefix}{high:x}:{low:x}]"
    yield f"[2002:{high:x}:{low:x}::1]"
    yield f"[2001:0:{high:x}:{low:x}::]"
    yield f"[0:0:0:0:0:ffff:{high:x}:{low:x}]"


def test_no_notation_of_a_private_address_is_dialled() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was taken for a name")

    fetcher = Fetcher(MediaConfig(), resolve)
    for address in INSIDE:
        for host in notations(address):
            for link in (f"http://{host}/", f"https://{host}:443/x", f"http://{host}:8080/"):
                with pytest.raises(RequestError) as caught:
                    asyncio.run(fetcher.get(link))
                assert caught.value.kind in ("image_url_not_allowed", "invalid_image_url"), link


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """A web server inside, which a stranger's link must not reach."""
    with Origin({"/": response(plain("red"))}) as started:
        yield started


@pytest.fixture(scope="module")
def open_server(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that follows public links and one name of the operator's, with a resolver of this file's."""
    directory = tmp_path_factory.mktemp("links")
    server = Server(directory / "run", {"media": {"allow_hosts": ["camera.test"], "fetch_timeout": 2}})
    (directory / "sitecustomize.py").write_text(_RESOLVER)
    names = {
        "camera.test": ["127.0.0.1"],
        "rebind.test": ["93.184.216.34", "127.0.0.1"],
        "inside.test": ["127.0.0.1"],
        "localhost": ["127.0.0.1"],
    }
    server.extra_environment = {
        "PYTHONPATH": f"{server.environment()['PYTHONPATH']}:{directory}",
        "NAMES": json.dumps(names),
        "NAMES_ASKED": str(directory / "asked"),
    }
    try:
        yield server.start()
    finally:
        server.close()


def ask(server: Server, link: str) -> tuple[int, str, str]:
    """Status, error code and message of a question about a link."""
    part = {"type": "image_url", "image_url": {"url": link}}
    answer = server.chat({"role": "user", "content": [part]}, max_tokens=2)
    error = answer.json().get("error", {})
    return answer.status_code, error.get("code", ""), error.get("message", "")


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:{port}/",  # CVE-2025-6242, CVE-2026-33626: no check at all
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://localhost:{port}/",
        "http://inside.test:{port}/",
        "http://camera.test@127.0.0.1:{port}/",
        "http://user:password@inside.test:{port}/",
        "http://127.0.0.1:{port}#@camera.test/",
        "http://127.0.0.1:{port}?@camera.test/",
        "http://camera.test:{port}/inside",  # GHSA-7rf4-7gg3-8vqx: a redirect that nobody checks
        "http://camera.test:{port}/twice",
        "http://camera.test:{port}/userinfo",
        "http://camera.test:{port}/login",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_a_strangers_link_reaches_nothing_inside(link: str, origin: Origin, open_server: Server) -> None:
    inside = f"http://127.0.0.1:{origin.port}/"
    origin.responses |= {
        "/inside": redirect(inside),
        "/twice": redirect("/inside"),
        "/userinfo": redirect(f"http://camera.test@127.0.0.1:{origin.port}/"),
        "/login": redirect(f"http://user:password@camera.test:{origin.port}/"),
    }
    origin.asked.clear()
    told = ask(open_server, link.format(port=origin.port))
    assert told[:2] == (400, "image_url_not_allowed")
    assert told == ask(open_server, inside), "the words tell one refusal from another"
    assert not [head for head in origin.asked if head.startswith("GET / ")]


@pytest.mark.parametrize(
    "link",
    [
        "http://2130706433:{port}/",
        "http://127。0。0。1:{port}/",
        "http://camera.test\\@127.0.0.1:{port}/",  # CVE-2026-24779: two parsers, two hosts
        "http://127.0.0.1\\@camera.test:{port}/",
        "http://camera.test.:{port}/",
        "http://camera.test%00.evil.test:{port}/",
        "http://camera.test:{port}@127.0.0.1@camera.test:{port}/",
        "http://evil.camera.test:{port}\t/",
        "http:/127.0.0.1:{port}/",
        "file:///etc/passwd",
        "file://127.0.0.1/etc/passwd",
        "gopher://127.0.0.1:{port}/_GET%20/",
        "ftp://127.0.0.1/",
        "rtsp://127.0.0.1:{port}/",
        "http://[::1:{port}/",
        "http://camera.test:{port}/file",
        "http://camera.test:{port}/bracket",
    ],
)
def test_what_parsers_read_differently_is_not_followed(
    link: str, origin: Origin, open_server: Server
) -> None:
    origin.responses |= {"/file": redirect("file:///etc/passwd"), "/bracket": redirect("http://[::1")}
    origin.asked.clear()
    status, code, message = ask(open_server, link.format(port=origin.port))
    assert (status, code) == (400, "invalid_image_url")
    assert "Expected " in message
    assert not [head for head in origin.asked if head.startswith("GET / ")]


@pytest.mark.parametrize(
    "link", ["http:\\\\127.0.0.1:{port}/", "jar:http://127.0.0.1:{port}/!/", "//127.0.0.1/"]
)
def test_what_only_some_take_for_a_link_is_no_image(link: str, origin: Origin, open_server: Server) -> None:
    origin.asked.clear()
    assert ask(open_server, link.format(port=origin.port))[:2] == (400, "invalid_image")
    assert origin.asked == []


def test_a_name_that_is_another_address_at_the_second_asking_is_asked_once(
    origin: Origin, open_server: Server
) -> None:
    """DNS rebinding: the first answer is public, the second would be the origin here."""
    origin.asked.clear()
    status, code, _ = ask(open_server, f"http://rebind.test:{origin.port}/")
    assert (status, code) == (400, "image_fetch_failed")  # what was checked was dialled, and nobody is there
    assert origin.asked == []
    asked = Path(open_server.extra_environment["NAMES_ASKED"]).read_text().split()
    assert asked.count("rebind.test") == 1
    assert ask(open_server, f"http://rebind.test:{origin.port}/")[1] == "image_url_not_allowed"


def test_what_the_operator_allows_is_followed(origin: Origin, open_server: Server) -> None:
    assert ask(open_server, f"http://camera.test:{origin.port}/")[0] == 200


def test_no_error_holds_an_address_of_memory(server: Server) -> None:
    """CVE-2026-22778: the decoder's own words tell where its objects lie."""
    for start in (
        b"\x00\x00\x00\x0cjP  ",
        b"\xff\xd8\xff\xe0broken",
        b"GIF89a\xff\xff",
        b"RIFF\0\0\0\0WEBPVP8 ",
    ):
        error = server.chat({"role": "user", "content": [{"type": "image", "image": encode(start)}]}).json()
        assert error["error"]["code"] in ("invalid_image", "unsupported_image_format")
        assert "0x" not in json.dumps(error)
        assert "object at" not in json.dumps(error)


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_an_image_of_one_pixel_is_an_image(server: Server) -> None:
    """CVE-2026-22773: 1 x 1 was taken for a layout of channels and ended the engine."""
    loads = server.health()["loads"]
    for size in ((1, 1), (1, 3), (3, 1), (3, 3)):
        image = encode(plain("red", size))
        answer = server.chat({"role": "user", "content": [{"type": "image", "image": image}]}, max_tokens=2)
        assert answer.status_code == 200
    assert server.health()["loads"] == loads
