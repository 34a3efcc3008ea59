"""OpenAI's own SDK for Python: everything that its users call, and what it makes of errors."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses import ResponseInputParam
from pydantic import BaseModel
from support.pictures import data_uri, photo, plain
from support.server import MODEL, Server

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell me something about the sea."}]


def about(picture: bytes, text: str = "Which colour is this?") -> list[ChatCompletionMessageParam]:
    return [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": text},
                {"type": "image_url", "image_url": {"url": data_uri(picture)}},
            ],
        }
    ]


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.api, api_key="hailo") as client:
        yield client


def test_create(client: OpenAI) -> None:
    completion = client.chat.completions.create(model=MODEL, messages=about(plain("red")), temperature=0)
    assert "red" in (completion.choices[0].message.content or "")
    assert completion.usage
    assert completion.usage.prompt_tokens_details
    assert completion._request_id


async def test_create_asynchronously(server: Server) -> None:
    async with AsyncOpenAI(base_url=server.api, api_key="hailo") as client:
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, temperature=0)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        whole = await client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0)
    assert text == whole.choices[0].message.content


def test_create_with_a_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}, temperature=0
    )
    chunks = list(stream)
    whole = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage
    assert whole.usage
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_the_stream_helper(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert kinds[0] == "chunk"
    assert "content.delta" in kinds
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].message.role == "assistant"


class Colour(BaseModel):
    colour: str
    count: int


def test_parse(client: OpenAI) -> None:
    completion = client.chat.completions.parse(
        model=MODEL, messages=about(plain("red"), "Describe it."), response_format=Colour, temperature=0
    )
    assert isinstance(completion.choices[0].message.parsed, Colour)


def test_stream_and_parse(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=HELLO, response_format=Colour, temperature=0
    ) as stream:
        stream.until_done()
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(parsed, Colour)


def test_parse_tells_a_cut_answer(client: OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Colour, max_tokens=2)


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    model = client.models.retrieve(MODEL)
    assert model.owned_by == "hailo-vision"
    assert getattr(model, "max_model_len", None) == 2048


def test_with_raw_response(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO, extra_headers={"x-request-id": "mine"}
    )
    assert raw.headers["x-request-id"] == "mine"
    assert raw.parse().choices[0].message.content


def test_extra_body(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model=MODEL, messages=HELLO, extra_body={"top_k": 5, "repetition_penalty": 1.2, "keep_alive": "5m"}
    )
    assert getattr(completion, "timings", None)


@contextmanager
def counting(server: Server, **options: Any) -> Iterator[tuple[OpenAI, list[Any]]]:
    """A client, and a record of the requests that it sends."""
    sent: list[Any] = []
    http = openai.DefaultHttpxClient(event_hooks={"request": [sent.append]})
    with OpenAI(base_url=server.api, api_key="x", http_client=http, **options) as client:
        yield client, sent


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (openai.BadRequestError, {"temperature": 3}),
        (openai.BadRequestError, {"n": 2}),
        (openai.BadRequestError, {"messages": about(b"nothing")}),
        (openai.BadRequestError, {"messages": [{"role": "user", "content": "word " * 3000}]}),
        (openai.NotFoundError, {"model": "gpt-4o"}),
    ],
)
def test_what_the_client_did_wrong_is_asked_once(
    error: type[openai.APIStatusError], arguments: dict[str, Any], server: Server
) -> None:
    with counting(server) as (client, sent), pytest.raises(error) as caught:
        client.chat.completions.create(**{"model": MODEL, "messages": HELLO, **arguments})
    assert caught.value.request_id
    assert caught.value.code
    assert len(sent) == 1


def test_a_wrong_key(make_server: Callable[..., Server]) -> None:
    server = make_server()
    keys = server.directory / "keys"
    keys.write_text("sk-right\n")
    server.configure({"auth": {"keys_file": str(keys)}})
    server.start()
    with (
        OpenAI(base_url=server.api, api_key="sk-wrong") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()
    with OpenAI(base_url=server.api, api_key="sk-right") as client:
        assert client.models.list().data


def test_a_loading_model_is_waited_for(make_server: Callable[..., Server]) -> None:
    """503 with Retry-After: the SDK asks again by itself, and succeeds."""
    server = make_server(faults={"load_extra_s": 1.0}, emulator={"time_scale": 1.0, "timing": {"load": 0.1}})
    server.start(wait=False)
    with counting(server, max_retries=4) as (client, sent):
        completion = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=2)
    assert completion.choices[0].message.content
    assert len(sent) > 1
    assert sent[-1].headers["x-stainless-retry-count"] == str(len(sent) - 1)


def test_a_fault_in_a_stream_is_raised(make_server: Callable[..., Server]) -> None:
    server = make_server(faults={"crash_after_tokens": 3}).start()
    with OpenAI(base_url=server.api, api_key="x") as client:
        stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(stream)
    assert caught.value.code == "device_unavailable"


def test_a_conversation_over_several_turns(client: OpenAI) -> None:
    messages = about(photo("coffee"), "What is this?")
    cached = []
    for question in ("And its colours?", "And the light?", "And the layout?"):
        completion = client.chat.completions.create(model=MODEL, messages=messages)
        assert completion.usage
        assert completion.usage.prompt_tokens_details
        cached.append(completion.usage.prompt_tokens_details.cached_tokens or 0)
        messages.append({"role": "assistant", "content": completion.choices[0].message.content})
        messages.append({"role": "user", "content": question})
    assert cached[0] == 0
    assert 144 < cached[1] < cached[2]


def test_json_mode(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model=MODEL, messages=HELLO, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(completion.choices[0].message.content or ""), dict)


def about_in_responses(picture: bytes) -> ResponseInputParam:
    return [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Which colour is this?"},
                {"type": "input_image", "image_url": data_uri(picture), "detail": "auto"},
            ],
        }
    ]


def test_responses(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input=about_in_responses(plain("red")), temperature=0)
    assert "red" in response.output_text
    assert response.usage
    assert response.usage.total_tokens


def test_responses_as_raw_events(client: OpenAI) -> None:
    stream = client.responses.create(
        model=MODEL, input=about_in_responses(plain("red")), temperature=0, stream=True
    )
    events = list(stream)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert "red" in text
    assert events[-1].type == "response.completed"


def test_responses_by_the_helper(client: OpenAI) -> None:
    with client.responses.stream(
        model=MODEL, input=about_in_responses(plain("red")), temperature=0
    ) as stream:
        for _ in stream:
            pass
        assert "red" in stream.get_final_response().output_text


def test_responses_parsed(client: OpenAI) -> None:
    class Scene(BaseModel):
        colour: str
        count: int

    response = client.responses.parse(
        model=MODEL, input=about_in_responses(plain("red")), text_format=Scene, temperature=0
    )
    assert isinstance(response.output_parsed, Scene)


def test_responses_that_fail(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="stored"):
        client.responses.create(model=MODEL, input="Hi", previous_response_id="resp_1")
