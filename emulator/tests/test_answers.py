"""Answers depend on every input: pixels, places, order, every message, sampling (issue: the emulator)."""

import json
from typing import Any

import numpy as np
import pytest

ROLES = ("system", "user", "assistant", "user")


@pytest.fixture
def ask(vlm: Any, user: Any) -> Any:
    def asked(text: str, *frames: Any, **options: Any) -> str:
        vlm.clear_context()
        answer: str = vlm.generate_all([user(text, len(frames))], list(frames), **options)
        return answer.removesuffix("<|im_end|>")

    return asked


def talk(*texts: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": text} for role, text in zip(ROLES, texts, strict=True)]


def test_greedy_is_deterministic_also_over_processes(chip: Any, vlm: Any, user: Any, pictures: Any) -> None:
    here = vlm.generate_all([user("Describe it", 1)], [pictures.plain(200, 30, 40)])
    vlm.release()
    there = chip.run(f"""
        import numpy as np
        frame = np.full((336, 336, 3), (200, 30, 40), dtype=np.uint8)
        print(load().generate_all([{user("Describe it", 1)!r}], [frame]))
    """)
    assert here == there


def test_no_two_photos_get_the_same_description(ask: Any, pictures: Any) -> None:
    for question in ("What is in this image?", "Describe it briefly", "What colour is it?"):
        answers = {ask(question, pictures.photo(seed)) for seed in range(40)}
        assert len(answers) == 40


def test_a_slightly_brighter_photo_gets_another_description(ask: Any, pictures: Any) -> None:
    frame = pictures.photo(1)
    brighter = np.clip(frame.astype(np.int16) + 25, 0, 255).astype(np.uint8)
    assert ask("What is in this image?", frame) != ask("What is in this image?", brighter)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((220, 20, 20), "red"),
        ((20, 180, 40), "green"),
        ((30, 60, 220), "blue"),
        ((240, 220, 30), "yellow"),
        ((250, 140, 20), "orange"),
        ((255, 255, 255), "white"),
        ((0, 0, 0), "black"),
        ((128, 128, 128), "grey"),
        ((110, 60, 20), "brown"),
        ((255, 0, 220), "magenta"),
    ],
)
def test_colours_have_their_names(ask: Any, pictures: Any, rgb: tuple[int, int, int], name: str) -> None:
    assert name in ask("What colour is this?", pictures.plain(*rgb))


def test_light_is_seen(ask: Any, pictures: Any) -> None:
    assert "very dark" in ask("How bright is it?", pictures.plain(10, 10, 10))
    assert "very bright" in ask("How bright is it?", pictures.plain(250, 250, 250))


def test_layout_is_seen(ask: Any, pictures: Any) -> None:
    frame = pictures.plain(220, 20, 20)
    frame[:, 168:] = (20, 20, 220)
    assert "red" in ask("What is on the left?", frame)
    assert "blue" not in ask("What is at the top left?", frame).split("at the top left")[0]
    assert "blue at the top right" in ask("What is at the top right?", frame)


@pytest.mark.parametrize(("place", "parts"), [("corners", 4), ("centre", 1), ("top", 3), ("bottom right", 1)])
def test_the_places_asked_for_are_told(ask: Any, pictures: Any, place: str, parts: int) -> None:
    assert ask(f"What is at the {place}?", pictures.plain(220, 20, 20)).count("red at the") == parts


def test_the_order_of_frames_is_seen(ask: Any, pictures: Any) -> None:
    red, blue = pictures.plain(220, 20, 20), pictures.plain(20, 20, 220)
    answer = ask("What is in these?", red, blue)
    assert answer.index("red") < answer.index("blue")
    answer = ask("What is in these?", blue, red)
    assert answer.index("blue") < answer.index("red")


def test_a_lost_frame_is_noticed(ask: Any, pictures: Any) -> None:
    frames = [pictures.photo(seed) for seed in range(3)]
    assert "three" in ask("How many pictures are there?", *frames)
    assert "two" in ask("How many pictures are there?", *frames[:2])
    assert ask("Describe them", *frames) != ask("Describe them", *frames[:2])


@pytest.mark.parametrize("place", range(4))
def test_every_message_matters(vlm: Any, place: int) -> None:
    base = ["You are terse.", "I have a horse.", "How nice.", "What shall I feed it?"]
    answers = set()
    for word in ("", " Really.", " Maybe.", " Today.", " Soon."):
        texts = list(base)
        texts[place] += word
        vlm.clear_context()
        answers.add(vlm.generate_all(talk(*texts), []))
    assert len(answers) == 5


def test_history_can_be_asked_for(vlm: Any) -> None:
    vlm.clear_context()
    text = vlm.generate_all(
        talk("Be nice.", "My name is Ada and I like rivers.", "Hello.", "What did I say?"), []
    )
    assert "I like rivers" in text
    assert "Your name is Ada" in text


def test_without_history_there_is_nothing_to_tell(ask: Any) -> None:
    assert "rivers" not in ask("What did I say?")


def test_plain_talk_quotes_its_topic(ask: Any) -> None:
    assert "llamas" in ask("Tell me about llamas")


def test_an_earlier_picture_is_remembered(vlm: Any, user: Any, pictures: Any) -> None:
    history = [
        user("Look at this", 1),
        {"role": "assistant", "content": "I see."},
        user("What colour was it?"),
    ]
    assert "green" in vlm.generate_all(history, [pictures.plain(20, 180, 40)])


def test_comparison_names_both(ask: Any, pictures: Any) -> None:
    answer = ask("What is the difference?", pictures.plain(250, 250, 250), pictures.plain(0, 0, 0))
    assert "white" in answer
    assert "black" in answer


def test_yes_and_no(ask: Any, pictures: Any) -> None:
    red = pictures.plain(220, 20, 20)
    assert ask("Is it red?", red).startswith("Yes")
    assert ask("Is it green?", red).startswith("No")


def test_length_follows_the_request(ask: Any, pictures: Any) -> None:
    lengths = [len(ask(text, pictures.photo(1))) for text in ("Briefly?", "What is it?", "In detail?")]
    assert lengths == sorted(lengths)
    assert lengths[2] > 1.5 * lengths[0]


SCHEMA = {
    "type": "object",
    "properties": {
        "main_color": {"type": "string", "enum": ["green", "red", "blue"]},
        "colors": {"type": "array", "items": {"type": "string"}},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "indoors": {"type": "boolean"},
        "caption": {"type": "string", "maxLength": 30},
        "box": {"$ref": "#/$defs/box"},
        "nothing": {"type": "null"},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3},
    },
    "required": ["main_color"],
    "$defs": {"box": {"type": "object", "properties": {"kind": {"const": "box"}, "x": {"type": "integer"}}}},
}


def test_json_fits_the_schema_in_the_prompt(ask: Any, pictures: Any) -> None:
    text = ask(
        f"What is it? Answer in JSON that fits this schema: {json.dumps(SCHEMA)}", pictures.plain(220, 20, 20)
    )
    found = json.loads(text)
    assert set(found) == set(SCHEMA["properties"])
    assert found["main_color"] == "red"
    assert found["colors"][0] == "red"
    assert 1 <= found["count"] <= 9
    assert 0 <= found["score"] <= 1
    assert isinstance(found["indoors"], bool)
    assert len(found["caption"]) <= 30
    assert found["box"]["kind"] == "box"
    assert isinstance(found["box"]["x"], int)
    assert found["nothing"] is None
    assert isinstance(found["either"], int)
    assert len(found["tags"]) == 3


def test_json_without_a_schema_and_without_a_picture(ask: Any, pictures: Any) -> None:
    assert json.loads(ask("Describe it as JSON.", pictures.plain(220, 20, 20)))["main_color"] == "red"
    assert json.loads(ask("Say hello as JSON."))


def test_sampled_json_is_sometimes_fenced(ask: Any, pictures: Any) -> None:
    sampling = {"do_sample": True, "temperature": 1.5, "top_p": 1.0, "top_k": 40}
    texts = [ask("Describe it as JSON.", pictures.photo(1), seed=seed, **sampling) for seed in range(20)]
    fenced = [text for text in texts if text.startswith("```json\n")]
    assert 0 < len(fenced) < 20
    for text in texts:
        assert json.loads(text.removeprefix("```json\n").removesuffix("\n```"))


def test_an_answers_tokens_are_those_of_its_text(vlm: Any, user: Any, pictures: Any) -> None:
    """Else a history sent as text would differ from the one in the cache."""
    asked = (
        "What is it?",
        "Describe it as JSON",
        "What did I say? 🙂",
        "In detail",
        "Is it red?",
        "Where is 日本?",
    )
    for seed, question in enumerate(asked * 3):
        vlm.clear_context()
        options = {"do_sample": True, "temperature": 1.5, "top_p": 1.0, "top_k": 40, "seed": seed}
        messages = [
            user("I like 东京 and Xyzzy"),
            {"role": "assistant", "content": "Good."},
            user(question, 1),
        ]
        with vlm.generate(messages, [pictures.photo(seed)], **options) as completion:
            pieces = list(completion)
        assert len(vlm.tokenize("".join(pieces))) == len(pieces)
