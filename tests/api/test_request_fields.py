"""Every request field: honoured, ignored, or refused with the field's path."""

import math
from typing import Any

import pytest
from support.events import events, text_of
from support.openai_schema import ERROR, check
from support.pictures import photo, user
from support.server import MODEL, Server

HELLO = {"role": "user", "content": "Tell me something about the sea."}


def refused(server: Server, param: str | None, code: str | None = None, **fields: Any) -> str:
    """The message of the 400 that a request with these fields gets."""
    response = server.chat(HELLO, **fields)
    assert response.status_code == 400, response.text
    check(response.json(), ERROR)
    error = response.json()["error"]
    assert error["param"] == param
    assert code in (None, error["code"])
    return str(error["message"])


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": []},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"tools": [{"nonsense": 1}], "tool_choice": "auto", "parallel_tool_calls": False},
        {"tool_choice": "none"},
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        {"functions": [], "function_call": "auto"},
        {"user": "u", "safety_identifier": "s", "metadata": {"session_id": "1"}, "store": True},
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "service_tier": "auto"},
        {"reasoning_effort": "ultra", "verbosity": "low", "prediction": None, "web_search_options": {}},
        {"modalities": ["text"], "audio": None, "moderation": {}},
        {"stream_options": {"include_usage": True}},
        {"stream_options": None, "stream": None},
        {"logprobs": False, "top_logprobs": 0, "logit_bias": {}},
        {"logprobs": None, "top_logprobs": None, "logit_bias": None},
        {"n": 1, "frequency_penalty": 2, "presence_penalty": -2},
        {"min_p": 0.05, "timings_per_token": True, "chat_template_kwargs": {"enable_thinking": False}},
        {"top_k": 40, "repetition_penalty": 1.1, "top_p": 1, "temperature": 2},
        {"top_k": -1, "top_p": 0, "temperature": 0},
        {"stop": []},
        {"stop": None, "seed": None, "max_tokens": None, "max_completion_tokens": None, "user": None},
        {"max_tokens": 0},
        {"max_tokens": -1, "max_completion_tokens": 0},
        {"max_tokens": 50.0, "seed": 7.0, "top_k": 20.0, "n": 1.0},
        {"top_k": 5_000_000_000},
        {"stop": ""},
        {"stop": ["", "x"]},
        {"seed": 2**64 - 1},
        {"keep_alive": "300"},
        {"keep_alive": "-1"},
        {"seed": 2**63 - 1},
        {"seed": -(2**63)},
        {"keep_alive": "5m"},
        {"keep_alive": -1},
        {"continue_final_message": False, "add_generation_prompt": True},
        {"response_format": {"type": "text"}},
        {"response_format": None},
    ],
)
def test_what_clients_send_is_accepted(fields: dict[str, Any], server: Server) -> None:
    assert server.answer(HELLO, **fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2.1),
        ("temperature", -0.1),
        ("temperature", "hot"),
        ("top_p", 1.1),
        ("top_p", -1),
        ("top_k", -2),
        ("repetition_penalty", 0),
        ("frequency_penalty", 2.5),
        ("presence_penalty", -2.5),
        ("max_tokens", -2),
        ("max_tokens", 1.5),
        ("max_completion_tokens", -7),
        ("seed", 1.5),
        ("top_k", 1.5),
        ("tool_choice", "must"),
        ("seed", "x"),
        ("seed", 2**64),
        ("n", 0),
        ("n", 129),
        ("stop", 5),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stream", "yes"),
        ("stream_options", 1),
        ("top_logprobs", 21),
        ("logit_bias", []),
        ("keep_alive", True),
        ("keep_alive", "soon"),
        ("tool_choice", 5),
        ("messages", []),
        ("messages", "Hi"),
        ("messages", [HELLO] * 5000),
        ("messages", [{"role": "user", "content": ["x"] * 2500}] * 2),
        ("images", [""] * 300),
        ("messages", {"role": "user", "content": "Hi"}),
        ("model", 5),
    ],
)
def test_what_is_out_of_range_or_of_another_type_is_named(field: str, value: Any, server: Server) -> None:
    response = server.http.post(
        "/v1/chat/completions", json={"model": MODEL, "messages": [HELLO], field: value}
    )
    assert response.status_code == 400
    check(response.json(), ERROR)
    assert response.json()["error"]["param"] == field


@pytest.mark.parametrize(
    ("param", "code", "fields"),
    [
        ("n", None, {"n": 2}),
        ("logprobs", "unsupported_parameter", {"logprobs": True}),
        ("logprobs", "unsupported_parameter", {"logprobs": True, "top_logprobs": 5}),
        ("top_logprobs", None, {"top_logprobs": 5}),
        ("logit_bias", "unsupported_parameter", {"logit_bias": {"50256": -100}}),
        ("modalities", "unsupported_parameter", {"modalities": ["text", "audio"]}),
        ("modalities", "unsupported_parameter", {"modalities": ["image"]}),
        ("tool_choice", None, {"tool_choice": "required"}),
        (
            "tool_choice",
            None,
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            "tool_choice",
            None,
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}},
        ),
        ("function_call", None, {"function_call": {"name": "f"}}),
        ("response_format.type", None, {"response_format": {"type": "yaml"}}),
        ("response_format.type", "missing_required_parameter", {"response_format": {}}),
    ],
)
def test_what_can_not_be_done_is_refused(param: str, code: str | None, fields: Any, server: Server) -> None:
    refused(server, param, code, **fields)


def test_messages_and_model_are_required(server: Server) -> None:
    for missing in ("messages", "model"):
        body = {"model": MODEL, "messages": [HELLO]}
        del body[missing]
        for spelling in (body, {**body, missing: None}):
            response = server.http.post("/v1/chat/completions", json=spelling)
            assert response.status_code == 400
            assert response.json()["error"]["param"] == missing
        assert server.http.post("/v1/chat/completions", json=body).json()["error"]["code"] == (
            "missing_required_parameter"
        )


def test_the_output_limit_is_exact_and_told(server: Server) -> None:
    for field in ("max_tokens", "max_completion_tokens"):
        choice = server.chat(HELLO, **{field: 3}).json()
        assert choice["choices"][0]["finish_reason"] == "length"
        assert choice["usage"]["completion_tokens"] == 3
    both = server.chat(HELLO, max_tokens=50, max_completion_tokens=2).json()
    assert both["usage"]["completion_tokens"] == 2


def test_a_large_output_limit_is_clamped(server: Server) -> None:
    response = server.chat(user("What is this?", photo("coffee")), max_tokens=100_000)
    assert response.status_code == 200
    assert response.json()["choices"][0]["finish_reason"] == "stop"


def test_sampling_varies_with_the_seed_and_only_with_it(server: Server) -> None:
    def sample(seed: int) -> str:
        return server.answer(HELLO, temperature=1.5, top_p=1, top_k=-1, seed=seed)

    answers = [sample(seed) for seed in range(6)]
    assert len(set(answers)) > 1
    assert [sample(seed) for seed in range(6)] == answers


@pytest.mark.parametrize("stream", [False, True])
def test_stop_strings_end_the_answer_and_are_no_part_of_it(stream: bool, server: Server) -> None:
    whole = server.answer(HELLO)
    middle = len(whole) // 2
    stop = whole[middle : middle + 7]
    expected = whole[: whole.index(stop)]
    if stream:
        response = server.chat(HELLO, stop=stop, stream=True)
        chunks = events(response)
        assert text_of(chunks) == expected
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    else:
        choice = server.chat(HELLO, stop=["never in there", stop]).json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (expected, "stop")


def test_a_prompt_that_does_not_fit_is_told_in_the_words_that_libraries_look_for(server: Server) -> None:
    long = {"role": "user", "content": "word " * 3000}
    response = server.chat(long)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["param"] == "messages"
    assert error["message"].startswith("This model's maximum context length is 2048 tokens. However, ")
    assert "prompt is too long" in error["message"]
    streamed = server.chat(long, stream=True)
    assert streamed.status_code == 400
    assert streamed.json() == response.json()


def test_too_many_pictures_are_refused_before_they_are_decoded(server: Server) -> None:
    broken = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    fifteen = server.chat({"role": "user", "content": [broken] * 15}).json()["error"]
    assert fifteen["code"] == "context_length_exceeded"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "01", "0x1"])
def test_numbers_that_json_does_not_have(number: str, server: Server) -> None:
    body = (
        f'{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "Hi"}}], "temperature": {number}}}'
    )
    response = server.http.post("/v1/chat/completions", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] in ("invalid_json", "invalid_value")


def test_the_figures_are_finite(server: Server) -> None:
    for limit in (1, 2, 30):
        timings = server.chat(HELLO, max_tokens=limit).json()["timings"]
        assert all(math.isfinite(value) and value >= 0 for value in timings.values())
        assert timings["predicted_n"] == limit or limit == 30
