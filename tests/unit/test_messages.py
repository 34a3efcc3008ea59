"""The protocol between the two processes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hailo_vision.npu import messages
from hailo_vision.npu.messages import Abort, Failed, Generate, Pieces, Problem, ProtocolError, Sampling


def test_messages_survive_the_wire() -> None:
    request = Generate(7, "text", 2, Sampling(True, 0.5, 0.9, 20, 1.1, 42), 100, "key")
    encoded = messages.encode(request)
    length = messages.body_length(encoded[: messages.LENGTH_BYTES])
    assert length == len(encoded) - messages.LENGTH_BYTES
    assert messages.decode(encoded[messages.LENGTH_BYTES :], messages.to_npu) == request


def test_each_direction_has_its_own_messages() -> None:
    pieces = messages.encode(Pieces(1, ["a"]))[messages.LENGTH_BYTES :]
    abort = messages.encode(Abort(1))[messages.LENGTH_BYTES :]
    with pytest.raises(ProtocolError):
        messages.decode(pieces, messages.to_npu)
    with pytest.raises(ProtocolError):
        messages.decode(abort, messages.from_npu)


def test_a_length_beyond_any_message_is_refused() -> None:
    with pytest.raises(ProtocolError, match="limit"):
        messages.body_length(b"\xff\xff\xff\xff")


def test_problems_keep_their_cure() -> None:
    problem = Problem("code", "cause", "cure", "never", 81)
    body = messages.encode(Failed(problem))[messages.LENGTH_BYTES :]
    assert messages.decode(body, messages.from_npu) == Failed(problem)


@given(st.binary(max_size=300))
@example(b"\x92\xa2\xff\xff\x01")
def test_any_bytes_give_a_message_or_a_protocol_error(body: bytes) -> None:
    for decoder in (messages.to_npu, messages.from_npu):
        try:
            messages.decode(body, decoder)
        except ProtocolError:
            continue
