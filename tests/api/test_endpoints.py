"""Everything beside the answers: routes, keys, CORS, TLS, metrics, the log, the description, the pages."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from support.certificates import issue
from support.events import events, text_of
from support.pictures import photo, user
from support.server import MODEL, Server

from hailo_vision.http.openapi import document
from hailo_vision.http.pages import ASSETS
from hailo_vision.http.routes import DIALECTS

HELLO = {"role": "user", "content": "Hi"}
BROWSER = {"accept": "text/html"}
MakeServer = Callable[..., Server]


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/v1/health",
        "/health/ready",
        "/readyz",
        "/v1/models",
        "/models",
        f"/v1/models/{MODEL}",
        "/metrics",
    ],
)
def test_every_spelling_of_a_path(path: str, server: Server) -> None:
    whole = server.http.get(path)
    assert whole.status_code == 200
    assert server.http.get(f"{path}/").status_code == 200
    head = server.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions/"])
def test_chat_with_and_without_v1(path: str, server: Server) -> None:
    body = {"model": MODEL, "messages": [HELLO]}
    assert server.http.post(path, json=body).status_code == 200


def test_health_tells_what_operators_ask(server: Server) -> None:
    health = server.health()
    assert (health["status"], health["live"], health["state"]) == ("ok", True, "ready")
    assert health["device"]["emulated"] is True
    assert health["versions"]["hailort"] == "5.1.1"
    assert health["queue"] == {"running": 0, "waiting": 0, "size": 16}
    assert health["uptime_seconds"] > 0
    assert server.http.get("/health/ready").json() == {"ready": True}


def test_aliases_and_an_optional_model(make_server: MakeServer) -> None:
    config = {"model": {"aliases": ["gpt-4o", "llava/7b"]}, "api": {"model_required": False}}
    server = make_server(config=config).start()
    for alias in ("gpt-4o", "llava/7b"):
        completion = server.chat(HELLO, model=alias).json()
        assert completion["model"] == MODEL
        assert server.http.get(f"/v1/models/{alias}").json()["id"] == MODEL
    assert server.http.get("/v1/models").json()["data"][0]["aliases"] == ["gpt-4o", "llava/7b"]
    assert server.http.post("/v1/chat/completions", json={"messages": [HELLO]}).status_code == 200
    assert server.chat(HELLO, model="other").status_code == 404


@pytest.fixture
def guarded(make_server: MakeServer, tmp_path: Path) -> Server:
    (tmp_path / "keys").write_text("sk-one\nsk-two\n")
    return make_server(config={"auth": {"keys_file": str(tmp_path / "keys")}}).start()


def test_keys_guard_everything_but_health(guarded: Server, tmp_path: Path) -> None:
    http = guarded.http
    for path in ("/health", "/v1/health", "/health/ready", "/readyz"):
        assert http.get(path).status_code == 200
    http.headers.update(BROWSER)
    paths = [
        "/v1/models",
        "/models",
        f"/v1/models/{MODEL}",
        "/metrics",
        "/nothing",
    ]
    for path in [*paths, "/v1/models/", "//v1/models"]:
        refused = http.get(path)
        assert refused.status_code == 401, path
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert refused.headers["www-authenticate"] == "Bearer"
    for path in ("/v1/chat/completions", "/chat/completions", "/v1/vision/analyze", "/vision/analyze"):
        for headers in ({}, {"authorization": "Bearer sk-three"}):
            assert http.post(path, content=b"{", headers=headers).status_code == 401
        undecodable = {b"authorization": b"Bearer \xff\xfe"}
        assert http.post(path, content=b"{", headers=undecodable).status_code == 401
    for headers in ({"authorization": "Bearer sk-two"}, {"x-api-key": "sk-one"}):
        assert http.get("/v1/models", headers=headers).status_code == 200
    assert http.get("/v1/models", auth=("me", "sk-one")).status_code == 200
    # The pages are no secret, and ask for the key themselves.
    for path in ("/", "/docs", "/assets/chat.js"):
        assert http.get(path).status_code == 200
    assert "security" in http.get("/openapi.json").json()
    (tmp_path / "keys").write_text("sk-three\n")
    new = {"authorization": "Bearer sk-three"}
    guarded.wait_for(lambda: http.get("/v1/models", headers=new).status_code == 200, 5)
    assert http.get("/v1/models", headers={"authorization": "Bearer sk-two"}).status_code == 401
    assert "sk-" not in guarded.log()
    assert guarded.health()["warnings"] == []
    (tmp_path / "keys").write_text("# sk-three\n")
    guarded.wait_for(lambda: guarded.health()["warnings"] != [], 5)
    assert guarded.health()["warnings"] == [
        f"{tmp_path / 'keys'} holds no key: every request is refused until it is mended."
    ]


def test_a_context_is_never_shared_between_keys(guarded: Server) -> None:
    first = user("What is this?", photo("coffee"))

    def ask(key: str, *messages: Any) -> dict[str, Any]:
        body = {"model": MODEL, "messages": messages, "temperature": 0}
        headers = {"authorization": f"Bearer {key}"}
        answer: dict[str, Any] = guarded.http.post("/v1/chat/completions", json=body, headers=headers).json()
        return answer

    reply = ask("sk-one", first)["choices"][0]["message"]
    follow_up = [first, reply, {"role": "user", "content": "And its colours?"}]
    assert ask("sk-two", *follow_up)["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    reply = ask("sk-one", first)["choices"][0]["message"]
    assert ask("sk-one", *follow_up)["usage"]["prompt_tokens_details"]["cached_tokens"] > 144


def test_keys_may_come_as_a_credential(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "api-keys").write_text("sk-one\n")
    server = make_server()
    server.extra_environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    server.start()
    assert server.http.get("/v1/models").status_code == 401
    assert server.http.get("/v1/models", headers={"x-api-key": "sk-one"}).status_code == 200


PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


def test_cors_is_off_by_default(server: Server) -> None:
    response = server.http.get("/v1/models", headers={"origin": server.url})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
    preflight = server.http.options("/v1/models", headers={"origin": "https://a.example", **PREFLIGHT})
    assert preflight.status_code == 403


def test_cors_for_allowed_origins(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("sk-one\n")
    config = {
        "server": {"cors_origins": ["https://a.example"]},
        "auth": {"keys_file": str(tmp_path / "keys")},
    }
    http = make_server(config=config).start().http
    allowed, other = {"origin": "https://a.example"}, {"origin": "https://b.example"}
    preflight = http.options("/v1/chat/completions", headers={**allowed, **PREFLIGHT})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    assert http.options("/v1/chat/completions", headers={**other, **PREFLIGHT}).status_code == 403
    refused = http.get("/v1/models", headers=allowed)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://a.example"
    key = {"authorization": "Bearer sk-one"}
    body = {"model": MODEL, "messages": [HELLO], "stream": True}
    streamed = http.post("/v1/chat/completions", json=body, headers={**allowed, **key})
    assert streamed.headers["access-control-allow-origin"] == "https://a.example"
    readable = set(streamed.headers["access-control-expose-headers"].split(", "))
    assert readable >= {"x-request-id", "retry-after", "x-should-retry", "x-images-left-out"}
    assert streamed.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in http.get("/v1/models", headers={**other, **key}).headers


def test_tls(make_server: MakeServer, tmp_path: Path) -> None:
    certificate = issue(tmp_path, "IP:127.0.0.1")
    files = {"tls_cert": str(certificate.chain), "tls_key": str(certificate.key)}
    server = make_server(config={"server": files})
    server.http.close()
    server.http = httpx.Client(base_url=server.url.replace("http:", "https:"), verify=certificate.trusted())
    server.start()
    chunks = events(server.chat(HELLO, stream=True))
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url + "/health")


def test_another_certificate_is_used_as_soon_as_its_files_are_there(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """Chain and key come one after the other: until both are there, the former pair serves."""
    (tmp_path / "renewed").mkdir()
    certificate, renewed = issue(tmp_path, "IP:127.0.0.1"), issue(tmp_path / "renewed", "IP:127.0.0.1")
    former, new = certificate.trusted(), renewed.trusted()
    files = {"tls_cert": str(certificate.chain), "tls_key": str(certificate.key)}
    server = make_server(config={"server": files})
    health = server.url.replace("http:", "https:") + "/health"
    server.http.close()
    server.http = httpx.Client(base_url=health.removesuffix("/health"), verify=former)
    server.start()
    renewed.chain.replace(certificate.chain)
    for _ in range(2):
        (warning,) = httpx.get(health, verify=former).json()["warnings"]
        assert str(certificate.chain) in warning
    assert server.log().count("The former certificate stays in use") == 1
    key = renewed.key.read_bytes()
    certificate.key.write_bytes(b"-" * len(key))
    os.utime(certificate.key, (1, 1))
    assert httpx.get(health, verify=former).json()["warnings"]
    # As one whose owner or mode is set later, it differs in its time of change only.
    certificate.key.write_bytes(key)
    os.utime(certificate.key, (1, 1))
    assert httpx.get(health, verify=new).json()["warnings"] == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(health, verify=former)
    assert server.http.get("/health").json()["state"] == "ready"  # on its old connection


def figures(server: Server, accept: str = "") -> dict[str, float]:
    """The metrics by name and labels."""
    text = server.http.get("/metrics", headers={"accept": accept}).text
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_what_happened(make_server: MakeServer) -> None:
    server = make_server().start()
    whole = server.chat(user("What is this?", photo("coffee"))).json()
    usage = whole["usage"]
    server.chat(HELLO, temperature=5)
    server.http.post("/v1/vision/analyze", json={"images": ["x", "y"], "prompt": "?"})
    streamed = events(server.chat(HELLO, stream=True, max_tokens=2))
    said = {"role": "assistant", "content": text_of(streamed)}
    continued = server.chat(HELLO, said, HELLO, max_tokens=1).json()
    timings = [whole["timings"], streamed[-1]["timings"], continued["timings"]]
    found = {name.removeprefix("hailo_vision_"): value for name, value in figures(server).items()}
    assert all(name.startswith("hailo_vision_") for name in figures(server))
    expected = {
        "requests_total /v1/chat/completions 200": 3,
        "requests_total /v1/chat/completions 400": 1,
        "requests_total /v1/vision/analyze 400": 1,
        "rejected_total invalid_value": 1,
        "rejected_total invalid_image": 1,
        "request_success_total stop": 1,
        "request_success_total length": 2,
        "generation_tokens_total": usage["completion_tokens"] + 3,
        "images_total": 3,
        "request_generation_tokens_count": 3,
        "request_generation_tokens_sum": usage["completion_tokens"] + 3,
        "time_to_first_token_seconds_count": 3,
        "request_prefill_time_seconds_count": 3,
        "request_decode_time_seconds_count": 3,
        "tokens_per_second_count": 2,  # a single token has no rate
        "request_queue_time_seconds_count": 3,
        "e2e_request_latency_seconds_count": 4,
        "image_decode_seconds_count": 3,
        "image_fetch_seconds_count": 0,
        "request_queue_position_count": 5,
        "num_requests_running": 0,
        "num_requests_waiting": 0,
        "model_loaded": 1,
        "model_loads_total": 1,
        "engine_state ready": 1,
        "engine_state failed": 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    sums = {
        "prompt_tokens_total": sum(one["prompt_n"] + one["cache_n"] for one in timings),
        "prompt_tokens_cached_total": continued["usage"]["prompt_tokens_details"]["cached_tokens"],
        "tokens_per_second_sum": sum(one["predicted_per_second"] for one in timings),
        "request_prefill_time_seconds_sum": sum(one["prompt_ms"] for one in timings) / 1000,
        "request_decode_time_seconds_sum": sum(one["predicted_ms"] for one in timings) / 1000,
    }
    assert {name: found[name] for name in sums} == pytest.approx(sums)
    assert min(sums.values()) > 0


def test_device_errors_are_counted(make_server: MakeServer) -> None:
    server = make_server(faults={"crash_after_tokens": 2, "times": {"crash_after_tokens": 1}}).start()
    assert server.chat(HELLO).status_code == 503
    server.wait_for(lambda: server.health()["state"] == "ready")
    found = figures(server)
    assert found["hailo_vision_device_errors_total npu_crashed"] == 1
    assert found["hailo_vision_model_loads_total"] == 2


def test_metrics_in_the_newer_format(server: Server) -> None:
    response = server.http.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def test_the_log_has_one_line_a_request_and_never_its_content(make_server: MakeServer) -> None:
    server = make_server().start()
    secret = "Xylophone"
    picture = photo("coffee")
    headers = {"x-request-id": "my-request", "authorization": "Bearer sk-Xylophone"}
    body = {"model": MODEL, "messages": [user(secret, picture)], "max_tokens": 5, "temperature": 0}
    answer = server.http.post("/v1/chat/completions", json=body, headers=headers).json()
    server.http.post("/v1/chat/completions", json={**body, "temperature": secret})
    for _ in range(5):
        server.http.get("/health")
    log = server.log()
    lines = [line for line in log.splitlines() if " hailo_vision.requests: " in line]
    assert len(lines) == 2
    fields = dict(re.findall(r"(\w+)=(\S+)", lines[0]))
    assert fields["id"] == "my-request"
    assert fields["route"] == "/v1/chat/completions"
    assert (fields["status"], fields["images"], fields["tokens"], fields["finish"]) == (
        "200",
        "1",
        "5",
        "length",
    )
    timings = answer["timings"]
    assert fields["tokens_per_second"] == f"{timings['predicted_per_second']:.1f}"
    assert fields["queue_ms"] == str(round(timings["queue_ms"]))
    assert fields["prefill_ms"] == str(round(timings["prompt_ms"]))
    assert fields["prompt_tokens"] == str(answer["usage"]["prompt_tokens"])
    assert float(fields["total_ms"]) >= max(float(fields["media_ms"]), float(fields["prefill_ms"]))
    assert "error=invalid_value" in lines[1]
    assert "ylophone" not in log
    assert answer["choices"][0]["message"]["content"] not in log
    assert "sanic" not in log.lower()


@pytest.fixture(scope="module")
def description(server: Server) -> dict[str, Any]:
    described: dict[str, Any] = server.http.get("/openapi.json").json()
    return described


def test_the_description_is_made_once() -> None:
    """It takes as long as many requests, and needs no key."""
    assert document(DIALECTS, False) is document(DIALECTS, False)


def test_the_description_is_valid_and_complete(description: dict[str, Any], server: Server) -> None:
    assert description["openapi"] == "3.1.0"
    references = set(
        re.findall(r'"\$ref":"#/components/schemas/(\w+)"', json.dumps(description, separators=(",", ":")))
    )
    assert references <= set(description["components"]["schemas"])
    for schema in description["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert set(description["paths"]) == {
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/vision/analyze",
        "/v1/models",
        "/v1/models/{id}",
        *(f"/api/{name}" for name in ("chat", "generate", "version", "tags", "ps", "show", "pull")),
        "/health",
        "/health/ready",
        "/metrics",
    }


def test_every_field_is_described_by_a_sentence(description: dict[str, Any]) -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in description["components"]["schemas"].items()
        for field, value in schema.get("properties", {}).items()
        if not value.get("description", "").endswith(".")
    ]
    assert not silent


def test_responses_fit_the_description(description: dict[str, Any], server: Server) -> None:
    def check(value: Any, name: str) -> None:
        Draft202012Validator({**description, "$ref": f"#/components/schemas/{name}"}).validate(value)

    check(server.chat(HELLO).json(), "ChatCompletion")
    check(server.chat(HELLO, response_format={"type": "json_object"}).json(), "ChatCompletion")
    check(server.chat(HELLO, temperature=9).json(), "ErrorResponse")
    for chunk in events(server.chat(HELLO, stream=True, stream_options={"include_usage": True})):
        check(chunk, "ChatChunk")
    check(server.health(), "Health")
    check(server.http.get("/health/ready").json(), "Readiness")
    check(server.http.get("/v1/models").json(), "ModelList")
    check(server.http.get(f"/v1/models/{MODEL}").json(), "Model")


def test_the_pages_bring_everything_themselves(server: Server) -> None:
    for path in ("/", "/docs"):
        page = server.http.get(path, headers=BROWSER)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        assert "style=" not in page.text
        assets = re.findall(r'(?:src|href)="(assets/[^"]+)"', page.text)
        assert assets
        for asset in assets:
            assert server.http.get(f"/{asset}").status_code == 200
    everything = "".join(
        server.http.get(path, headers=BROWSER).text
        for path in ("/", "/docs", *(f"/assets/{name}" for name in ASSETS))
    )
    assert re.findall(r"https?://(?!www\.w3\.org)[^\s\"'`)]+", everything) == []
    for path in (
        "/assets/../__init__.py",
        "/assets/__init__.py",
        "/assets/%2e%2e%2f__init__.py",
        "/assets/x",
    ):
        assert server.http.get(path).status_code == 404
