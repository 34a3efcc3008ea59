"""How pieces leave the NPU process: the first at once, later ones together where they come thick."""

import socket
import time
from collections.abc import Iterator

import pytest

from hailo_vision.npu import protocol
from hailo_vision.npu.protocol import Ended, FromNpu, Pieces
from hailo_vision.npu.worker import loop
from hailo_vision.npu.worker.channel import Channel
from hailo_vision.npu.worker.loop import Outbox


class Wire:
    """Both ends of a socket, and what has come so far."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self.channel = Channel(self._ours)
        self._theirs.setblocking(False)

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()

    def heard(self) -> list[FromNpu]:
        try:
            data = bytearray(self._theirs.recv(65536))
        except BlockingIOError:
            return []
        return list(iter(lambda: protocol.next_message(data), None))


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def test_the_first_piece_waits_for_nothing(wire: Wire) -> None:
    outbox = Outbox(wire.channel)
    outbox.add("a")
    assert wire.heard() == [Pieces(["a"])]
    assert not outbox.waiting


def test_pieces_that_come_thick_go_together_and_none_is_lost(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_PACE_MS", 60_000)
    outbox = Outbox(wire.channel)
    for piece in "abc":
        outbox.add(piece)
    assert wire.heard() == [Pieces(["a"])]
    assert outbox.waiting
    outbox.flush()
    outbox.flush()
    assert wire.heard() == [Pieces(["b", "c"])]
    outbox.add("d")
    outbox.end("stop")
    assert wire.heard() == [Pieces(["d"]), Ended("stop")]


def test_pieces_at_the_pace_of_the_chip_go_one_by_one(wire: Wire) -> None:
    outbox = Outbox(wire.channel)
    for piece in "ab":
        outbox.add(piece)
        assert wire.heard() == [Pieces([piece])]
        time.sleep(loop._PACE_MS / 1000)
    outbox.end("length")
    assert wire.heard() == [Ended("length")]


def test_the_last_piece_goes_with_the_end(wire: Wire) -> None:
    outbox = Outbox(wire.channel)
    outbox.add("a", last=True)
    assert wire.heard() == []
    outbox.end("length")
    assert wire.heard() == [Pieces(["a"]), Ended("length")]
