"""More images than fit: refused, or answered with some of them where the operator wants that."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import events, text_of
from support.pictures import data_uri, plain, user
from support.server import Server

from hailo_vision.inference.overflow import sample
from hailo_vision.inference.request import GenerationRequest, Image, Turn

PICTURES = [plain("red"), *[plain("green")] * 18, plain("blue")]


@pytest.fixture(scope="module")
def sampling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sampling") / "run", config={"media": {"overflow": "sample"}})
    try:
        yield server.start()
    finally:
        server.close()


@pytest.mark.parametrize("version", ["5.1.1", "5.2.0"])
def test_they_are_refused(version: str, make_server: Callable[..., Server]) -> None:
    server = make_server(emulator={"version": version}).start()
    for count in (14, 20):
        response = server.chat(user("Compare them.", *PICTURES[:count]))
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "context_length_exceeded"


def test_what_was_not_counted_is_told_as_the_least(server: Server) -> None:
    told = {
        "resulted in at least 2880 tokens": user("Compare them.", *PICTURES),
        "resulted in at least 2347 tokens": user("word " * 120_000),
    }
    for words, message in told.items():
        assert words in server.chat(message).json()["error"]["message"]
    counted = server.chat(user("word " * 3000)).json()["error"]["message"]
    assert "at least" not in counted


def test_some_of_them_are_asked_about(sampling: Server) -> None:
    response = sampling.chat(user("Which colours are these?", *PICTURES), max_tokens=30)
    assert response.status_code == 200, response.text
    used = response.json()["usage"]["prompt_tokens_details"]["image_tokens"] // 144
    assert 10 <= used < 14
    assert int(response.headers["x-images-left-out"]) == len(PICTURES) - used
    prompt = response.json()["usage"]["prompt_tokens"]
    assert prompt + 30 <= 2048


def test_a_second_question_about_them_leaves_out_no_more(sampling: Server) -> None:
    before = counted(sampling)
    nothing_fits = {"type": "object", "properties": {"x": False}, "required": ["x"]}
    response = sampling.chat(
        user("Which colours are these?", *PICTURES),
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": nothing_fits}},
    )
    assert response.json()["json_report"]["attempts"] == 2
    used = response.json()["usage"]["prompt_tokens_details"]["image_tokens"] // 144
    each = (2 * len(PICTURES) - used) / 2
    told = int(response.headers["x-images-left-out"])
    assert each <= told <= each + 1
    sampling.wait_for(lambda: f"images_left_out={told}" in sampling.log())
    assert counted(sampling) == before + told


def counted(server: Server) -> float:
    metric = re.search(r"^hailo_vision_images_left_out_total (\S+)$", server.http.get("/metrics").text, re.M)
    assert metric
    return float(metric[1])


def test_a_stream_says_so_too(sampling: Server) -> None:
    response = sampling.chat(user("Which colours are these?", *PICTURES), max_tokens=5, stream=True)
    assert text_of(events(response))
    assert int(response.headers["x-images-left-out"]) > 0
    assert f"images_left_out={response.headers['x-images-left-out']}" in sampling.log()
    metrics = sampling.http.get("/metrics").text
    assert "hailo_vision_images_left_out_total" in metrics


def test_images_that_fit_are_all_asked_about(sampling: Server) -> None:
    response = sampling.chat(user("Which colours are these?", *PICTURES[:5]), max_tokens=5)
    assert "x-images-left-out" not in response.headers


def test_with_json(sampling: Server) -> None:
    wanted = {"type": "json_object"}
    response = sampling.chat(user("Describe them.", *PICTURES), response_format=wanted)
    assert response.json()["json_report"]["valid"] is True
    assert int(response.headers["x-images-left-out"]) > 0


def test_a_text_that_is_too_long_by_itself_stays_refused(sampling: Server) -> None:
    response = sampling.chat(user("word " * 3000, *PICTURES))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


def test_a_broken_image_is_named_by_its_own_place(sampling: Server) -> None:
    parts: list[Any] = [{"type": "image_url", "image_url": {"url": data_uri(one)}} for one in PICTURES]
    parts[-1] = {"type": "image_url", "image_url": {"url": data_uri(b"none")}}
    response = sampling.chat({"role": "user", "content": parts})
    assert response.json()["error"]["param"] == f"messages[0].content[{len(parts) - 1}].image_url.url"


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_first_and_the_last_are_kept_and_others_evenly(total: int, count: int) -> None:
    images = [Image("", str(number)) for number in range(total)]
    turns = [Turn("user", ["a", *images[: total // 2]]), Turn("user", [*images[total // 2 :], "b"])]
    sampled = sample(GenerationRequest(turns=turns, where="messages"), count)
    numbers = [int(image.where) for image in sampled.images]
    assert len(numbers) == min(total, count)
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == total - 1
    if len(numbers) > 1:
        assert numbers[0] == 0
        gaps = [after - before for before, after in itertools.pairwise(numbers)]
        assert max(gaps) - min(gaps) <= 1
