"""What the emulated model answers: sentences chosen by the question, filled by frames and history."""

import re
from collections.abc import Callable

from hailo_platform._emulator import jsonanswer
from hailo_platform._emulator.phrases import (
    Composer,
    detail,
    label,
    layout,
    light,
    light_words,
    main_colours,
    number,
    pick,
    say,
    surface,
)
from hailo_platform._emulator.reading import Reading, words_of
from hailo_platform._emulator.vision import COLUMNS, ROWS, Percept

_COMMON_WORDS = """
a about an and any are as at be been but by can could do does did for from give has have he her here
hi hello how i if in into is it its just know let like make me more my no not now of on one or
please say see she should show so some tell than that the their them then there these they thing
this to us very was we were what when where which who why will with would yes you your look answer
question image images picture pictures photo photos describe word words sentence sentences short
long briefly detail
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_RECALL = re.compile(
    r"\b(what did i|did i (say|ask|tell)|my (first|last|previous|name)|remember|earlier|i said)\b", re.I
)
_SHORT = re.compile(r"\b(short|brief|briefly|one word|one sentence|single|concise|tersely|few words)\b", re.I)
_LONG = re.compile(r"\b(detail|detailed|details|long|thorough|everything|paragraph|essay|at length)\b", re.I)
_YES_NO = re.compile(r"^\s*(is|are|does|do|can|was|has|have|did)\b", re.I)


def compose(reading: Reading) -> Composer:
    """The answer to the last turn of a conversation."""
    start = ""
    if reading.torn:
        # Without the end mark the former answer seems to go on.
        former = reading.texts("assistant")[:-1] or reading.texts("user")
        words = former[-1].split()[-4:] if former else ["and"]
        yield from say(" ".join([*words, "and"]) + ",")
        start = " "
    if jsonanswer.wanted(reading):
        yield from jsonanswer.compose(reading)
    else:
        yield from _text_answer(reading, start)


def _text_answer(reading: Reading, start: str) -> Composer:
    question = reading.question.text
    frames = reading.question.frames or reading.frames
    words = set(words_of(question))
    if reading.blurred:
        yield from say(
            (f"{start}Something is lost from a picture.", f"{start}One picture is blurred beyond use.")
        )
        start = " "
    if _RECALL.search(question):
        yield from _recall(reading, start)
    elif (
        "how" in words
        and "many" in words
        and words & {"images", "pictures", "photos", "frames", "image", "videos"}
    ):
        yield from _count(reading, start)
    elif not frames:
        yield from _chat(reading, start)
    else:
        yield from _about_frames(reading, frames, words, start)


def _about_frames(reading: Reading, frames: list[Percept], words: set[str], start: str) -> Composer:
    everything = " ".join([*reading.texts("system"), reading.question.text])
    if len(frames) > 1 and words & {"compare", "difference", "differences", "differ", "same", "between"}:
        yield from _comparison(frames, start)
    elif _YES_NO.search(reading.question.text):
        yield from _yes_or_no(frames, words, start)
    elif parts := _parts_asked(words):
        yield from _each(frames, start, lambda f, s, n: layout(f, parts, s))
    elif words & {"colour", "colours", "color", "colors", "hue", "hues"}:
        yield from _each(frames, start, main_colours)
    elif words & {"bright", "brightness", "dark", "light", "lighting"}:
        yield from _each(frames, start, _lighting)
    elif _SHORT.search(everything):
        yield from _each(frames, start, main_colours)
    else:
        yield from _description(frames, reading.digest, bool(_LONG.search(everything)), start)


def _each(
    frames: list[Percept], start: str, sentence: Callable[[Percept, str, tuple[str, ...]], Composer]
) -> Composer:
    for index, frame in enumerate(frames):
        yield from sentence(frame, start, label(index, len(frames)))
        start = " "
    yield from detail(frames[-1])


def _lighting(frame: Percept, start: str, names: tuple[str, ...]) -> Composer:
    yield from say([start + name for name in names])
    yield from say((f" is {light_words(frame)}", f" looks {light_words(frame)}"))
    level = round(100 * frame.brightness / 255)
    yield from say((f", near {level} percent of full light.", f" (about {level} percent of white)."))


def _parts_asked(words: set[str]) -> list[int]:
    """The parts of the 3 by 3 grid that a question is about; none if it is about the whole."""
    rows = [row for row, name in enumerate(ROWS) if name in words]
    columns = [
        column for column, name in enumerate(COLUMNS) if name in words or (column == 1 and "center" in words)
    ]
    if words & {"corner", "corners"} and not rows and not columns:
        return [0, 2, 6, 8]
    if not rows and not columns:
        return []
    if words & {"middle", "centre", "center"} and not words & {"top", "bottom", "left", "right"}:
        return [4]
    return [row * 3 + column for row in rows or range(3) for column in columns or range(3)]


def _some_parts(key: str, count: int) -> list[int]:
    """Some parts of the grid, which ones decided by the key."""
    return sorted(int(part) for part in pick(key, "012345678", count))


def _description(frames: list[Percept], key: str, long: bool, start: str) -> Composer:
    if len(frames) > 1:
        yield from say(
            (
                f"{start}There are {number(len(frames))} pictures.",
                f"{start}I see {number(len(frames))} pictures.",
            )
        )
        start = " "
    for index, frame in enumerate(frames):
        yield from main_colours(frame, start, label(index, len(frames)))
        start = " "
        if long or len(frames) == 1:
            yield from light(frame)
        if long:
            yield from layout(frame, _some_parts(f"{key}{index}", 5))
            yield from surface(frame)
            yield from detail(frame)
        elif len(frames) == 1:
            yield from layout(frame, _some_parts(key, 3))
    if not long:
        yield from detail(frames[-1])


def _comparison(frames: list[Percept], start: str) -> Composer:
    first, last = frames[0], frames[-1]
    brighter = "first" if first.brightness >= last.brightness else "last"
    yield from say(
        (
            f"{start}The first is mostly {first.main}, the last mostly {last.main}.",
            f"{start}One begins with {first.main} and ends with {last.main}.",
            f"{start}Where the first shows {first.main}, the last shows {last.main}.",
        )
    )
    gap = round(abs(first.brightness - last.brightness))
    yield from say(
        (
            f" The {brighter} picture is brighter by {gap} levels.",
            f" Of the two, the {brighter} is the lighter one ({gap} levels).",
        )
    )
    yield from detail(first)
    yield from detail(last)


def _yes_or_no(frames: list[Percept], words: set[str], start: str) -> Composer:
    frame = frames[-1]
    colours = {part for name, _ in frame.shares for part in name.split()}
    light_asked = {
        "bright": frame.brightness >= 128,
        "dark": frame.brightness < 128,
        "symmetric": frame.symmetric,
        "warm": frame.warmth > 0,
    }
    asked = [truth for word, truth in light_asked.items() if word in words]
    yes = bool(colours & words) or any(asked)
    yield from say(
        (f"{start}Yes", f"{start}Yes, indeed") if yes else (f"{start}No", f"{start}No, I do not think so")
    )
    yield from say((f": the picture is mostly {frame.main}", f"; what I see is mainly {frame.main}"))
    yield from say((f" and {light_words(frame)}.", f", {light_words(frame)}."))
    yield from detail(frame)


def _count(reading: Reading, start: str) -> Composer:
    count = len(reading.frames)
    noun = "picture" if count == 1 else "pictures"
    yield from say(
        (
            f"{start}I have been shown {number(count)} {noun}.",
            f"{start}There {'is' if count == 1 else 'are'} {number(count)} {noun} so far.",
            f"{start}I count {number(count)} {noun}.",
        )
    )
    for index, frame in enumerate(reading.frames):
        yield from say([f" {name} is mostly {frame.main}." for name in label(index, count)])


def _recall(reading: Reading, start: str) -> Composer:
    former = [turn for turn in reading.turns if turn.role == "user"][:-1]
    if not former:
        yield from say(
            (f"{start}You have not said anything before this.", f"{start}This is your first message to me.")
        )
    for index, turn in enumerate(former):
        quoted = " ".join(turn.text.split()[:14])
        seen = f" with {number(len(turn.frames))} pictures" if turn.frames else ""
        then = "First" if index == 0 else "Then"
        yield from say(
            (f'{start}{then} you said{seen}: "{quoted}".', f'{start}{then} you wrote{seen} "{quoted}".')
        )
        start = " "
    names = [turn.text for turn in former if "my name is" in turn.text.lower()]
    if names:
        tail = re.split("my name is", names[-1], flags=re.I)[-1].split()[:1]
        yield from say(f" Your name is {' '.join(tail).strip('.,!?')}.")


def _topics(reading: Reading) -> list[str]:
    text = reading.question.text
    words = [
        word for word in re.findall(r"[^\W_][\w'-]*", text) if word.lower() not in _COMMON and len(word) > 2
    ]
    signs = [sign for sign in dict.fromkeys(text) if ord(sign) > 0x2E7F and sign not in "".join(words)]
    return list(dict.fromkeys([*words, *signs]))


def _chat(reading: Reading, start: str) -> Composer:
    topics = _topics(reading)
    if set(words_of(reading.question.text)) & {"hello", "hi", "hey", "thanks", "thank"}:
        yield from say((f"{start}Hello!", f"{start}Good to hear from you.", f"{start}You are welcome here."))
        start = " "
    if topics:
        told = " and ".join(pick(reading.digest, topics, 3))
        yield from say(
            (
                f"{start}You ask about {told}",
                f"{start}As for {told}",
                f"{start}On {told}",
                f"{start}About {told}",
                f"{start}When it comes to {told}",
            )
        )
        yield from say(
            (
                ", I can say this much",
                ", there is more than one view",
                ", the answer is not simple",
                ", it depends on the rest",
                ", let us take it in order",
                ", I would look closer first",
            )
        )
        yield from say((" without a picture.", " from your words alone.", ".", " for now.", " as I read it."))
    else:
        yield from say((f"{start}I am ready", f"{start}I am listening", f"{start}I am here to help"))
        yield from say((", so ask away", ", so tell me more", ", so go on"))
        yield from say((".", " when you like.", " at any time.", " now."))
    seen = len(reading.texts("user"))
    if seen > 1:
        yield from say(
            (
                f" This is message {number(seen)} of our talk.",
                f" We have come to your message {number(seen)}.",
            )
        )
    yield from say(
        (
            " Show me a picture and I will describe it.",
            " A picture would help me.",
            " What would you like to know next?",
            " Is that what you meant?",
        )
    )
