"""Web pages of other sites, in the browser of somebody who can reach the service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.certificates import issue
from support.server import MODEL, Server

MakeServer = Callable[..., Server]
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


def ask(server: Server, **headers: str) -> httpx.Response:
    """A question whose headers are the given ones."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.http.post("/v1/chat/completions", json=CHAT, headers=named)


def code(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("error", {}).get("code")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://evil.example:11435", "null", "", "evil.example", "http://["],
)
def test_a_page_of_another_site_may_ask_nothing(origin: str, server: Server) -> None:
    """Browsers send text/plain without asking the service first."""
    assert code(ask(server, origin=origin, content_type="text/plain")) == (403, "origin_not_allowed")
    assert code(ask(server, origin=origin, sec_fetch_site="cross-site")) == (403, "origin_not_allowed")
    assert server.http.get("/v1/models", headers={"origin": origin}).status_code == 403


def test_the_machines_other_port_is_another_site(server: Server) -> None:
    assert ask(server, origin="http://127.0.0.1:9").status_code == 403
    assert ask(server, origin="http://127.0.0.1").status_code == 403


def test_the_services_own_pages_may_ask(server: Server) -> None:
    assert ask(server, origin=server.url).status_code == 200
    assert ask(server, origin="http://Pi.local", host="pi.local:80").status_code == 200
    assert ask(server, origin="https://pi.local", host="pi.local").status_code == 200
    assert ask(server, origin="http://[::1]:11435", host="[::1]:11435").status_code == 200


def test_a_page_behind_a_proxy_may_ask(server: Server) -> None:
    """Whether the proxy hands its own name on, in either of two ways, or the browser vouches for the page."""
    origin = "https://vision.lan"
    assert ask(server, origin=origin, host="vision.lan").status_code == 200
    assert ask(server, origin=origin, x_forwarded_host="vision.lan, inner").status_code == 200
    assert ask(server, origin=origin, sec_fetch_site="same-origin").status_code == 200
    assert ask(server, origin=origin, x_forwarded_host="other.lan").status_code == 403


@pytest.mark.parametrize(
    "origin", ["app://obsidian.md", "file://", "tauri://localhost", "chrome-extension://abc"]
)
def test_programs_made_of_web_pages_may_ask(origin: str, server: Server) -> None:
    assert ask(server, origin=origin).status_code == 200


def test_pages_that_the_operator_names_may_ask(make_server: MakeServer) -> None:
    server = make_server(config={"server": {"cors_origins": ["https://chat.example"]}}).start()
    assert ask(server, origin="https://chat.example").status_code == 200
    assert ask(server, origin="https://chat.example:8443").status_code == 403
    anybody = make_server(config={"server": {"cors_origins": ["*"]}}).start()
    assert ask(anybody, origin="null").headers["access-control-allow-origin"] == "null"
    assert "access-control-allow-origin" not in ask(anybody).headers


PRIVATE = [
    "192.168.1.7", "192.168.1.7:11435", "[fd00::7]:11435", "[::ffff:192.168.1.7]", "localhost:1", "pi",
    "PI.LOCAL", "pi.local.", "pi.home.arpa", "pi.lan:80", "a.b.internal", "app.localhost", "",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_names_that_no_stranger_can_have_are_answered(host: str, server: Server) -> None:
    assert ask(server, host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:11435", "192.168.1.7.evil.example", "local.evil.example", "a.notlocal"],
)
def test_a_name_that_may_be_anybodys_is_refused(host: str, server: Server) -> None:
    """Such a page is of one site with the service, for the browser (DNS rebinding)."""
    assert code(ask(server, host=host)) == (403, "host_not_allowed")
    assert code(ask(server, host=host, origin=f"http://{host}")) == (403, "host_not_allowed")
    for path in ("/", "/docs", "/v1/models", "/metrics"):
        assert server.http.get(path, headers={"host": host, "accept": "text/html"}).status_code == 403
    assert server.http.get("/health", headers={"host": host}).status_code == 200


def test_names_that_the_operator_gives_are_answered(make_server: MakeServer) -> None:
    server = make_server(config={"server": {"allowed_hosts": ["Pi.one.example", ".two.example"]}}).start()
    for host in ("pi.one.example", "two.example", "a.two.example:80", "a.b.two.example"):
        assert ask(server, host=host).status_code == 200
    for host in ("one.example", "a.pi.one.example", "nottwo.example"):
        assert ask(server, host=host).status_code == 403
    anything = make_server(config={"server": {"allowed_hosts": ["*"]}}).start()
    assert ask(anything, host="evil.example").status_code == 200


def test_with_keys_or_tls_the_name_does_not_matter(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("sk-one\n")
    closed = make_server(config={"auth": {"keys_file": str(tmp_path / "keys")}}).start()
    assert ask(closed, host="pi.example", authorization="Bearer sk-one").status_code == 200
    assert ask(closed, host="pi.example").status_code == 401
    certificate = issue(tmp_path, "IP:127.0.0.1")
    files = {"tls_cert": str(certificate.chain), "tls_key": str(certificate.key)}
    secret = make_server(config={"server": files})
    secret.http.close()
    secret.http = httpx.Client(base_url=secret.url.replace("http:", "https:"), verify=certificate.trusted())
    assert ask(secret.start(), host="pi.example").status_code == 200
    assert ask(secret, host="pi.example", origin="https://evil.example").status_code == 403
