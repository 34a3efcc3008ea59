"""The protocol between the two processes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hailo_vision.npu import protocol
from hailo_vision.npu.protocol import Abort, Failed, Generate, Pieces, Problem, ProtocolError, Sampling


def test_messages_survive_the_wire() -> None:
    request = Generate("text", 2, Sampling(0.5, 0.9, 20, 1.1, 42), 100, "key")
    encoded = protocol.encode(request)
    length = protocol.body_length(encoded[: protocol.LENGTH_BYTES])
    assert length == len(encoded) - protocol.LENGTH_BYTES
    assert protocol.decode(encoded[protocol.LENGTH_BYTES :], protocol.to_npu) == request


def test_messages_are_found_however_they_fall_into_pieces() -> None:
    failed = Failed(Problem("code", "cause", "cure"))
    sent: list[protocol.FromNpu] = [Pieces(["a"]), Pieces(["b" * 300]), failed]
    received, found = bytearray(), []
    for byte in b"".join(protocol.encode(message) for message in sent):
        received.append(byte)
        if one := protocol.next_message(received):
            found.append(one)
    assert found == sent


def test_each_direction_has_its_own_messages() -> None:
    pieces = protocol.encode(Pieces(["a"]))[protocol.LENGTH_BYTES :]
    abort = protocol.encode(Abort())[protocol.LENGTH_BYTES :]
    with pytest.raises(ProtocolError):
        protocol.decode(pieces, protocol.to_npu)
    with pytest.raises(ProtocolError):
        protocol.decode(abort, protocol.from_npu)


def test_a_length_beyond_any_message_is_refused() -> None:
    with pytest.raises(ProtocolError, match="limit"):
        protocol.body_length(b"\xff\xff\xff\xff")


def test_problems_keep_their_cure() -> None:
    problem = Problem("code", "cause", "cure", "never", 81)
    body = protocol.encode(Failed(problem))[protocol.LENGTH_BYTES :]
    assert protocol.decode(body, protocol.from_npu) == Failed(problem)


@given(st.binary(max_size=300))
@example(b"\x92\xa2\xff\xff\x01")
def test_any_bytes_give_a_message_or_a_protocol_error(body: bytes) -> None:
    for decoder in (protocol.to_npu, protocol.from_npu):
        try:
            protocol.decode(body, decoder)
        except ProtocolError:
            continue
