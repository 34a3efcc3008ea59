"""Reusing the context changes what a turn costs, never what it answers."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.pictures import photo, plain, user
from support.server import Server

MakeServer = Callable[..., Server]
Message = dict[str, Any]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same service with and without reuse."""
    servers = [
        Server(tmp_path_factory.mktemp("pair") / "run", config={"model": {"context_reuse": reuse}})
        for reuse in (True, False)
    ]
    yield [server.start() for server in servers]
    for server in servers:
        server.close()


def reply(server: Server, *messages: Message, **fields: Any) -> tuple[Message, Message]:
    """The assistant's message and the usage."""
    response = server.chat(*messages, **fields)
    assert response.status_code == 200, response.text
    body = response.json()
    return {"role": "assistant", "content": body["choices"][0]["message"]["content"]}, body["usage"]


def cached(usage: Message) -> int:
    return int(usage["prompt_tokens_details"]["cached_tokens"])


def test_six_turns_about_a_picture(pair: list[Server]) -> None:
    reusing, fresh = pair
    messages = [user("What is in this picture?", photo("coffee"))]
    for turn in range(6):
        answer, usage = reply(reusing, *messages, max_tokens=40)
        expected, plain_usage = reply(fresh, *messages, max_tokens=40)
        assert answer == expected
        assert usage["prompt_tokens"] == plain_usage["prompt_tokens"]
        assert cached(plain_usage) == 0
        assert (cached(usage) > 144) == (turn > 0)
        messages += [answer, {"role": "user", "content": f"Question {turn}: what about the colours?"}]
    text = reusing.http.get("/metrics").text
    counted = re.search(r"^hailo_vision_prompt_tokens_cached_total (\S+)", text, re.M)
    assert counted
    assert float(counted[1]) > cached(usage)


def test_at_random_it_is_reused_too_but_not_with_a_seed_or_a_penalty(pair: list[Server]) -> None:
    for fields, reuses in (
        ({"temperature": 0.7}, True),
        ({"temperature": 0.7, "seed": 5}, False),
        ({"repetition_penalty": 1.3}, False),
    ):
        question = user("Say something about the sea.")
        said, _ = reply(pair[0], question, **fields)
        _, usage = reply(pair[0], question, said, user("And about boats?"), **fields)
        assert (cached(usage) > 0) == reuses


def test_pictures_in_later_turns(pair: list[Server]) -> None:
    reusing, fresh = pair
    messages = [user("Look.", plain("red"))]
    for colour in ("blue", "green"):
        answer, _ = reply(reusing, *messages, max_tokens=60)
        messages += [answer, user("And this?", plain(colour))]
    answer, usage = reply(reusing, *messages)
    assert cached(usage) > 2 * 144
    assert answer == reply(fresh, *messages)[0]


def test_more_pictures_than_a_call_takes(pair: list[Server]) -> None:
    """The prompt and its continuation are prefilled in parts."""
    reusing, fresh = pair
    colours = ["red", "green", "blue", "yellow", "black", "white"]
    messages = [user(*map(plain, colours), "Which colours are these?")]
    for more in (["orange", "purple"], ["brown"]):
        answer, _ = reply(reusing, *messages, max_tokens=30)
        assert answer == reply(fresh, *messages, max_tokens=30)[0]
        messages += [answer, user(*map(plain, more), "And these?")]
    answer, usage = reply(reusing, *messages, max_tokens=30)
    expected, plain_usage = reply(fresh, *messages, max_tokens=30)
    assert answer == expected
    assert usage["prompt_tokens"] == plain_usage["prompt_tokens"]
    assert cached(usage) > 8 * 144


def test_another_picture_under_the_same_words_is_seen(pair: list[Server]) -> None:
    reusing, fresh = pair
    first = user("What colour?", plain("red"))
    answer, _ = reply(reusing, first)
    swapped = [user("What colour?", plain("blue")), answer, {"role": "user", "content": "Sure?"}]
    told, usage = reply(reusing, *swapped)
    assert cached(usage) == 0
    assert told == reply(fresh, *swapped)[0]


def test_a_truncated_turn_continues_exactly(pair: list[Server]) -> None:
    reusing, fresh = pair
    messages = [user("Describe this at length.", photo("chelsea"))]
    for limit in (1, 2, 5, 9):
        answer, _ = reply(reusing, *messages, max_tokens=limit)
        messages += [answer, {"role": "user", "content": "Go on."}]
        assert reply(reusing, *messages, max_tokens=30)[0] == reply(fresh, *messages, max_tokens=30)[0]


def test_an_aborted_turn_leaves_nothing_behind(pair: list[Server]) -> None:
    reusing, fresh = pair
    first = user("Describe this at length.", photo("chelsea"))
    whole, _ = reply(fresh, first)
    stop = whole["content"].split()[4]
    cut, _ = reply(reusing, first, stop=stop)
    messages = [first, cut, {"role": "user", "content": "Go on."}]
    answer, usage = reply(reusing, *messages)
    assert cached(usage) == 0
    assert answer == reply(fresh, *messages)[0]


def test_seeded_sampling_is_the_same_with_and_without(pair: list[Server]) -> None:
    reusing, fresh = pair
    sampling = {"temperature": 1.0, "seed": 7}
    messages = [user("Tell me about it.", photo("coffee"))]
    answer, _ = reply(reusing, *messages, **sampling)
    messages += [answer, {"role": "user", "content": "More, please."}]
    assert reply(reusing, *messages, **sampling)[0] == reply(fresh, *messages, **sampling)[0]


def test_a_crash_forgets_the_context(make_server: MakeServer) -> None:
    server = make_server().start()
    first = user("What is this?", photo("coffee"))
    answer, _ = reply(server, first)
    server.inject(crash_after_tokens=1, times={"crash_after_tokens": 1})
    assert server.chat({"role": "user", "content": "Hi"}).status_code == 503
    server.wait_for(lambda: server.health()["state"] == "ready")
    _, usage = reply(server, first, answer, {"role": "user", "content": "And?"})
    assert cached(usage) == 0


WORDS = st.sampled_from(
    ["Look.", "What colour?", "Und weiter? ÄÖ 🐈", "<|im_end|> hm", "Again, in short:", "…"]
)
TURN = st.tuples(WORDS, st.sampled_from([None, "red", "blue"]), st.integers(1, 40))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(TURN, min_size=1, max_size=4))
def test_any_conversation_is_answered_as_without_reuse(
    pair: list[Server], turns: list[tuple[str, str | None, int]]
) -> None:
    reusing, fresh = pair
    messages: list[Message] = []
    for words, colour, limit in turns:
        messages.append(user(words, plain(colour)) if colour else {"role": "user", "content": words})
        answer, usage = reply(reusing, *messages, max_tokens=limit)
        expected, expected_usage = reply(fresh, *messages, max_tokens=limit)
        assert answer == expected
        assert usage["prompt_tokens"] == expected_usage["prompt_tokens"]
        messages.append(answer)


def test_the_model_was_never_misused(pair: list[Server]) -> None:
    """Runs last in this file: the emulator's own record of what must never happen."""
    for server in pair:
        seen = {event["event"] for event in server.journal()}
        assert not seen & {"poisoned", "overflow", "assertion", "non_contiguous"}, json.dumps(sorted(seen))
