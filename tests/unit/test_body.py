"""Bodies of requests become typed values."""

import asyncio

import msgspec
import pytest

from hailo_vision.http.body import decode


class Asked(msgspec.Struct):
    """What a body holds here."""

    text: str


@pytest.mark.parametrize(("length", "turns"), [(10, 0), (2_000_000, 2)])
async def test_others_get_their_turn_while_a_large_one_is_read(length: int, turns: int) -> None:
    """Counting and decoding of 30 MB together would take longer than anybody may be held up."""
    taken = 0

    async def other() -> None:
        nonlocal taken
        while True:
            taken += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    body = msgspec.json.encode(Asked("x" * length))
    assert await decode(body, msgspec.json.Decoder(Asked)) == Asked("x" * length)
    task.cancel()
    assert taken == turns
