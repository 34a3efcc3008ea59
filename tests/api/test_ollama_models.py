"""Ollama's routes that tell of the model, load and unload it."""

import hashlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.ollama import chat, error_of, lines, moment
from support.server import MODEL, Server

MakeServer = Callable[..., Server]
HELLO = {"role": "user", "content": "Hi"}


def test_tags(server: Server) -> None:
    started = datetime.now(UTC)
    (model,) = server.http.get("/api/tags").json()["models"]
    assert model["name"] == model["model"] == f"{MODEL}:latest"
    assert moment(model["modified_at"]) < started
    assert model["size"] == server.hef.stat().st_size
    assert re.fullmatch(r"[0-9a-f]{64}", model["digest"])
    assert model["details"] == {
        "parent_model": "", "format": "hef", "family": "qwen2vl", "families": ["qwen2vl"],
        "parameter_size": "2.2B", "quantization_level": "A8W4",
    }  # fmt: skip
    assert model["capabilities"] == ["completion", "vision"]


def test_the_digest_becomes_the_files_own(make_server: MakeServer) -> None:
    server = make_server().start()

    def digest() -> str:
        return str(server.http.get("/api/tags").json()["models"][0]["digest"])

    for _ in range(2):
        assert len(digest()) == 64
        wanted = hashlib.sha256(server.hef.read_bytes()).hexdigest()
        server.wait_for(lambda wanted=wanted: digest() == wanted)  # type: ignore[misc]
        assert server.http.get("/api/ps").json()["models"][0]["digest"] == wanted
        server.hef.write_bytes(server.hef.read_bytes() + b"another")


def test_show(server: Server) -> None:
    for body in ({"model": MODEL}, {"name": f"{MODEL}:latest", "verbose": True}):
        shown = server.http.post("/api/show", json=body).json()
        assert shown["model_info"]["general.architecture"] == "qwen2vl"
        assert shown["model_info"]["qwen2vl.context_length"] == 2048
        assert shown["capabilities"] == ["completion", "vision"]
        assert shown["details"]["family"] == "qwen2vl"
        moment(shown["modified_at"])


def test_what_the_model_is_follows_its_name(make_server: MakeServer) -> None:
    name = "Qwen3-VL-2B-Instruct"
    server = make_server(config={"model": {"name": name}}, hef=False)
    server.start(wait=False)
    (model,) = server.http.get("/api/tags").json()["models"]
    assert model["name"] == f"{name}:latest"
    details = [model["details"][field] for field in ("family", "parameter_size", "quantization_level")]
    assert details == ["qwen3vl", "2.1B", "A16W4"]
    shown = server.http.post("/api/show", json={"model": name.lower()}).json()
    assert shown["model_info"]["general.architecture"] == "qwen3vl"


def test_version_is_integers_with_dots(server: Server) -> None:
    """Open WebUI takes each part of it as an integer."""
    version = server.http.get("/api/version").json()["version"]
    assert len([int(part) for part in version.split(".")]) == 3


def test_pull(server: Server) -> None:
    body = {"model": MODEL, "insecure": False}
    assert lines(server.http.post("/api/pull", json=body))[-1] == {"status": "success"}
    assert server.http.post("/api/pull", json={**body, "stream": False}).json() == {"status": "success"}
    refused = server.http.post("/api/pull", json={"model": "llava", "stream": False})
    assert refused.status_code == 404
    assert error_of(refused).startswith("model 'llava' not found")


@pytest.mark.parametrize("path", ["/api/version", "/api/tags", "/api/ps"])
def test_heads(path: str, server: Server) -> None:
    head = server.http.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_the_root_is_the_page_for_browsers_and_a_sign_of_life_for_others(make_server: MakeServer) -> None:
    server = make_server()
    keys = server.directory / "keys"
    keys.write_text("sk-one\n")
    server.configure({"auth": {"keys_file": str(keys)}})
    server.start()
    browser = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    assert server.http.get("/").text == "Ollama is running"
    assert server.http.head("/").status_code == 200
    assert server.http.head("/", headers=browser).status_code == 200
    page = server.http.get("/", headers=browser)
    assert page.headers["content-type"].startswith("text/html")
    for method, path in (("GET", "/api/tags"), ("HEAD", "/api/version"), ("POST", "/api/chat")):
        refused = server.http.request(method, path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        if method != "HEAD":
            assert "API key" in error_of(refused)
        key = {"authorization": "Bearer sk-one"}
        assert server.http.request(method, path, headers=key).status_code != 401


LOADED = {"done": True, "done_reason": "load"}
UNLOADED = {"done": True, "done_reason": "unload"}


def test_loading_unloading_and_what_is_loaded(make_server: MakeServer) -> None:
    server = make_server().start()

    def loaded() -> list[dict[str, Any]]:
        return list(server.http.get("/api/ps").json()["models"])

    (model,) = loaded()
    assert moment(model["expires_at"]) > datetime.now(UTC) + timedelta(days=36500)
    assert model["name"] == f"{MODEL}:latest"
    assert model["size"] == model["size_vram"] == server.hef.stat().st_size
    assert model["context_length"] == 2048
    asked = server.http.post("/api/generate", json={"model": MODEL, "prompt": "", "keep_alive": 0}).json()
    assert asked.items() >= {"model": MODEL, "response": "", **UNLOADED}.items()
    server.wait_for(lambda: loaded() == [])
    server.wait_for(lambda: server.health()["state"] == "unloaded")
    for path, nothing in (("/api/generate", {}), ("/api/chat", {"messages": None})):
        asked = server.http.post(path, json={"model": MODEL, **nothing}).json()
        assert asked.items() >= LOADED.items()
    assert len(loaded()) == 1
    body = {"model": MODEL, "messages": [], "keep_alive": "0s"}
    asked = server.http.post("/api/chat", json=body).json()
    assert asked.items() >= UNLOADED.items()
    assert asked["message"] == {"role": "assistant", "content": ""}
    server.wait_for(lambda: loaded() == [])
    assert chat(server, HELLO)["message"]["content"]
    assert len(loaded()) == 1


def test_when_an_idle_model_leaves(make_server: MakeServer) -> None:
    server = make_server(config={"model": {"keep_alive": "1h"}}).start()

    def seconds_left() -> float:
        (model,) = server.http.get("/api/ps").json()["models"]
        return (moment(model["expires_at"]) - datetime.now(UTC)).total_seconds()

    assert 3500 < seconds_left() <= 3600
    first = moment(server.http.get("/api/ps").json()["models"][0]["expires_at"])
    time.sleep(1)
    second = moment(server.http.get("/api/ps").json()["models"][0]["expires_at"])
    assert abs(second - first) < timedelta(seconds=0.5), "asking does not put it off"
    chat(server, HELLO, keep_alive=7200.0)
    assert 7100 < seconds_left() <= 7200
    chat(server, HELLO, keep_alive="5m")
    assert 3500 < seconds_left() <= 3600, "a request does not shorten what the operator said"
    for text in ("7200", "120m"):
        chat(server, HELLO, keep_alive=text)
        assert 7100 < seconds_left() <= 7200
    for for_ever in (-1.0, "-1s", "-1", -1):
        chat(server, HELLO, keep_alive=for_ever)
        assert seconds_left() > 1e9
