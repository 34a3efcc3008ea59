"""Bodies of requests become typed values."""

import msgspec
import pytest
from support.turns import turns_of_another

from hailo_vision.http.body import decode


class Asked(msgspec.Struct):
    """What a body holds here."""

    text: str


@pytest.mark.parametrize(("length", "turns"), [(10, 0), (2_000_000, 2)])
async def test_others_get_their_turn_while_a_large_one_is_read(length: int, turns: int) -> None:
    """Counting and decoding of 30 MB together would take longer than anybody may be held up."""
    body = msgspec.json.encode(Asked("x" * length))
    with turns_of_another() as taken:
        assert await decode(body, msgspec.json.Decoder(Asked)) == Asked("x" * length)
        assert taken() == turns
