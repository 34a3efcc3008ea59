"""Qwen3-VL-2B-Instruct on 5.3: chosen by the model's name and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.pictures import plain, user
from support.server import Server

NAME = "Qwen3-VL-2B-Instruct"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(
        tmp_path_factory.mktemp("qwen3") / "run",
        config={"model": {"name": NAME.lower()}},
        emulator={"version": "5.3.0"},
        hef=False,
    )
    one.make_hef(model=NAME, sdk_version="5.3.0")
    one.hef.rename(one.hef.with_name(f"{NAME}.hef"))
    one.make_hef()  # Qwen2-VL's lies beside it
    yield one.start()
    one.close()


def ask(server: Server, *messages: dict[str, Any]) -> dict[str, Any]:
    response = server.chat(*messages, model=NAME.lower())
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_its_own_file_is_loaded(server: Server) -> None:
    assert f"from {server.hef.with_name(f'{NAME}.hef')}\n" in server.log()
    assert [model["id"] for model in server.http.get("/v1/models").json()["data"]] == [NAME.lower()]


def test_it_answers_about_a_picture_and_goes_on_from_the_context(server: Server) -> None:
    server.forget()
    messages = [user(plain("red"), "What colour is this?")]
    first = ask(server, *messages)
    reply = first["choices"][0]["message"]
    assert "red" in reply["content"]
    assert first["usage"]["prompt_tokens_details"]["image_tokens"] == 144
    assert [event["usage"] for event in server.journal() if event["event"] == "prefill"] == [
        first["usage"]["prompt_tokens"]
    ]
    prompt = next(event["prompt"] for event in server.journal() if event["event"] == "generate")
    assert prompt.startswith("<|im_start|>user\n<|vision_start|>")  # its template adds no system turn
    second = ask(server, *messages, reply, {"role": "user", "content": "Are you sure?"})
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 144


def test_it_takes_one_picture_a_request(server: Server) -> None:
    two = user(plain("red"), plain("blue"), "Compare.")
    refused = server.chat(two, model=NAME.lower())
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "too_many_images"
    assert "the model takes 1" in refused.json()["error"]["message"]
