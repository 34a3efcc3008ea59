"""POST /v1/chat/completions: what the model is asked and what comes back."""

from openai import OpenAI, Stream
from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionUserMessageParam
from support.pictures import data_uri, photo, plain, user
from support.server import MODEL, Server


def test_the_readme_example_works_unchanged(server: Server) -> None:
    client = OpenAI(base_url=server.api, api_key="hailo")
    content: list[ChatCompletionContentPartParam] = [
        {"type": "text", "text": "What is in this image?"},
        {"type": "image_url", "image_url": {"url": data_uri(photo("chelsea"))}},
    ]
    completion = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": content}],
    )
    assert completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage
    assert completion.usage.prompt_tokens > 144


def test_different_photos_get_different_answers(server: Server) -> None:
    assert server.answer(user("What is this?", photo("chelsea"))) != server.answer(
        user("What is this?", photo("coffee"))
    )


def test_colours_arrive_as_they_are(server: Server) -> None:
    red = server.answer(user("Which colour is this?", plain("red")))
    blue = server.answer(user("Which colour is this?", plain("blue")))
    assert "red" in red
    assert "blue" not in red
    assert "blue" in blue


def test_the_order_of_pictures_matters(server: Server) -> None:
    red, blue = plain("red"), plain("blue")
    assert server.answer(user("Compare", red, blue)) != server.answer(user("Compare", blue, red))


def test_text_alone_is_answered(server: Server) -> None:
    assert server.answer({"role": "user", "content": "Hi"})


def test_history_and_system_messages_reach_the_model(server: Server) -> None:
    question = {"role": "user", "content": "What did I say?"}
    history = [{"role": "user", "content": "My boat is green."}, {"role": "assistant", "content": "Fine."}]
    plain_answer = server.answer(question)
    assert server.answer(*history, question) != plain_answer
    server.answer({"role": "system", "content": "Speak of boats."}, question)
    prompts = [entry["prompt"] for entry in server.journal() if entry["event"] == "generate"]
    assert "system\nSpeak of boats.<|im_end|>" in prompts[-1]


def test_a_next_turn_is_answered_from_the_context(server: Server) -> None:
    first = user("What is this?", photo("coffee"))
    reply = server.chat(first).json()["choices"][0]["message"]
    follow_up = [first, reply, {"role": "user", "content": "And its colours?"}]
    continued = server.chat(*follow_up).json()
    server.answer({"role": "user", "content": "Something else"})
    fresh = server.chat(*follow_up).json()
    assert continued["usage"]["prompt_tokens_details"]["cached_tokens"] > 144
    assert fresh["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert continued["choices"] == fresh["choices"]
    assert continued["usage"]["prompt_tokens"] == fresh["usage"]["prompt_tokens"]


def test_streamed_and_whole_answers_are_the_same(server: Server) -> None:
    client = OpenAI(base_url=server.api, api_key="hailo")
    message: ChatCompletionUserMessageParam = {"role": "user", "content": "Tell me something."}
    whole = server.answer({**message})
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[message],
        temperature=0,
        stream=True,
    )
    assert isinstance(stream, Stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == whole
