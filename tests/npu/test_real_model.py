"""The service in front of a real Qwen2-VL, run on the CPU by the emulator: tiny and with random weights."""

from collections.abc import Iterator

import pytest
from support.pictures import photo, user
from support.server import Server
from tiny_checkpoint import make_checkpoint


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    weights = make_checkpoint(tmp_path_factory.mktemp("weights") / "tiny-qwen2-vl")
    one = Server(tmp_path_factory.mktemp("real") / "run", config={"model": {"hef_path": str(weights)}})
    yield one.start()
    one.close()


def test_it_answers_about_photos_over_http(server: Server) -> None:
    chelsea = server.chat(user("What is this?", photo("chelsea")), max_tokens=12).json()
    coffee = server.chat(user("What is this?", photo("coffee")), max_tokens=12).json()
    assert chelsea["choices"][0]["message"]["content"] != coffee["choices"][0]["message"]["content"]
    assert chelsea["choices"][0]["finish_reason"] == "length"
    assert chelsea["usage"]["completion_tokens"] == 12
    assert chelsea["usage"]["prompt_tokens_details"]["image_tokens"] == 144


def test_a_streamed_conversation_goes_on_from_the_context(server: Server) -> None:
    messages = [user("Look.", photo("coffee"))]
    reply = server.chat(*messages, max_tokens=8).json()["choices"][0]["message"]
    messages += [reply, {"role": "user", "content": "And now?"}]
    continued = server.chat(*messages, max_tokens=8).json()
    server.answer({"role": "user", "content": "Something else."}, max_tokens=2)
    fresh = server.chat(*messages, max_tokens=8).json()
    assert continued["choices"] == fresh["choices"]
    assert continued["usage"]["prompt_tokens_details"]["cached_tokens"] > 144
