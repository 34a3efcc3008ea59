"""Sentences about frames and texts, as series of choices between phrasings.

A composer is a generator: it yields the candidates for the next few words and is sent the chosen one.
Every candidate but the very first of an answer begins with a space or a mark, so that the tokens of an
answer are those of its whole text.
"""

import hashlib
from collections.abc import Generator, Iterable, Sequence
from typing import NamedTuple

from hailo_platform._emulator.vision import COLUMNS, ROWS, Percept


class Slot(NamedTuple):
    """Candidates for the next words. In `order` they stand best first, else the context decides."""

    candidates: tuple[str, ...]
    order: bool = False


Composer = Generator[Slot, str, None]
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number(count: int) -> str:
    """A count in words where that is usual."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def label(index: int, count: int) -> tuple[str, ...]:
    """Ways to speak of one frame among `count`, without a leading space."""
    if count == 1:
        return ("The picture", "The image", "This photograph", "The scene", "This picture")
    place = ORDINALS[index] if index < len(ORDINALS) else f"number {index + 1}"
    return (f"The {place} picture", f"The {place} image", f"In the {place} place, the photo")


def pick(key: str, items: Sequence[str], count: int) -> list[str]:
    """`count` of the items, which ones decided by `key` alone."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{key}{item}".encode()).digest())[:count]


def say(*options: Iterable[str] | str) -> Composer:
    """One slot for each argument."""
    for candidates in options:
        yield Slot((candidates,) if isinstance(candidates, str) else tuple(candidates))


def light_words(frame: Percept) -> str:
    """The brightness of a frame in words."""
    for limit, words in ((30, "very dark"), (85, "dark"), (150, "of medium brightness"), (215, "bright")):
        if frame.brightness < limit:
            return words
    return "very bright"


def contrast_words(frame: Percept) -> str:
    """The contrast of a frame in words."""
    if frame.contrast < 8:
        return "hardly any contrast"
    return (
        "soft contrast"
        if frame.contrast < 40
        else "clear contrast"
        if frame.contrast < 70
        else "strong contrast"
    )


def texture_words(frame: Percept) -> str:
    """How busy a frame's surface is, in words."""
    for limit, words in (
        (0.7, "perfectly smooth"),
        (4, "smooth"),
        (12, "lightly textured"),
        (25, "full of detail"),
    ):
        if frame.texture < limit:
            return words
    return "very busy"


def warmth_words(frame: Percept) -> str:
    """The tone of a frame in words."""
    return "warm" if frame.warmth > 12 else "cool" if frame.warmth < -12 else "neutral"


def main_colours(frame: Percept, start: str, names: tuple[str, ...]) -> Composer:
    """Which colours a frame has, and how much of the first."""
    colour, percent = frame.shares[0]
    yield from say([start + name for name in names])
    yield from say(
        (
            f" is mostly {colour}",
            f" is mainly {colour}",
            f" is dominated by {colour}",
            f" shows mostly {colour}",
            f" is filled mainly with {colour}",
        )
    )
    yield from say(
        (
            f", about {percent} percent of it",
            f" ({percent} percent of the surface)",
            f", roughly {percent} percent",
            f" over some {percent} percent of the frame",
        )
    )
    if len(frame.shares) > 1:
        other, share = frame.shares[1]
        yield from say(
            (
                f", with {other} beside it",
                f", next to {other}",
                f", and {other} for {share} percent",
                f", together with {other}",
            )
        )
    yield from say(".")


def light(frame: Percept, start: str = " ") -> Composer:
    """How bright a frame is and how strong its contrast."""
    yield from say(
        (
            f"{start}It is {light_words(frame)}",
            f"{start}Overall it is {light_words(frame)}",
            f"{start}The light is such that it looks {light_words(frame)}",
        )
    )
    yield from say((f", with {contrast_words(frame)}", f" and has {contrast_words(frame)}"))
    yield from say(
        (
            f", {warmth_words(frame)} in tone.",
            f"; the tone is {warmth_words(frame)}.",
            f" and {warmth_words(frame)} colours.",
        )
    )


def place_name(index: int) -> str:
    """The name of one of the nine parts of a frame."""
    row, column = ROWS[index // 3], COLUMNS[index % 3]
    return "centre" if (row, column) == ("middle", "centre") else f"{row} {column}"


def layout(frame: Percept, parts: Sequence[int], start: str = " ") -> Composer:
    """What stands where, for some of the nine parts (0 is top left, 8 bottom right)."""
    told = [f"{frame.grid[index]} at the {place_name(index)}" for index in parts]
    yield from say((f"{start}There is", f"{start}I can see", f"{start}One finds", f"{start}Look for"))
    yield from say(" " + told[0])
    for text in told[1:-1]:
        yield from say(f", {text}")
    if len(told) > 1:
        yield from say((f" and {told[-1]}.", f", then {told[-1]}.", f", with {told[-1]}."))
    else:
        yield from say(".")


def detail(frame: Percept, start: str = " ") -> Composer:
    """The fine measures that tell one frame from another like it."""
    (x, y), (u, w) = frame.light_at, frame.detail_at
    yield from say(
        (f"{start}The light gathers", f"{start}Its light centres", f"{start}The brightest region lies")
    )
    yield from say(
        (
            f" {x} percent across and {y} percent down",
            f" about {x} percent from the left and {y} from the top",
        )
    )
    yield from say(
        (
            f", and most detail near {u} by {w} percent.",
            f", the detail around {u} by {w} percent.",
            f", while the structure sits at {u} by {w} percent.",
        )
    )


def surface(frame: Percept, start: str = " ") -> Composer:
    """Texture and symmetry."""
    sides = "its two halves mirror each other" if frame.symmetric else "its left and right halves differ"
    yield from say(
        (f"{start}The surface is {texture_words(frame)}", f"{start}It looks {texture_words(frame)}")
    )
    yield from say((f", and {sides}.", f"; {sides}.", f", while {sides}."))
