"""The NPU process's blocking end of the socket to the front process."""

import select
import socket

import numpy as np

from hailo_vision.npu import protocol
from hailo_vision.npu.protocol import FromNpu, ToNpu
from hailo_vision.npu.worker.device import Frame


class Channel:
    """The blocking end of the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def send(self, *some: FromNpu) -> None:
        """Send messages in one piece, so that they wake the front process once."""
        self._socket.sendall(b"".join(map(protocol.encode, some)))

    def receive(self) -> ToNpu:
        """The next message; waits for it.

        Raises:
            EOFError: the front process closed the socket.
        """
        prefix = self._read(protocol.LENGTH_BYTES)
        message: ToNpu = protocol.decode(self._read(protocol.body_length(prefix)), protocol.to_npu)
        return message

    def receive_frame(self, shape: tuple[int, int, int]) -> Frame:
        """The next raw frame, read straight into the array that HailoRT gets."""
        frame = np.empty(shape, np.uint8)
        self._fill(frame.data.cast("B"))
        return frame

    def has_message(self, seconds: float = 0) -> bool:
        """Whether a message, or the end, comes within so long."""
        return bool(self._poll.poll(seconds * 1000))

    def _read(self, size: int) -> bytearray:
        buffer = bytearray(size)
        self._fill(memoryview(buffer))
        return buffer

    def _fill(self, view: memoryview) -> None:
        while view:
            received = self._socket.recv_into(view)
            if not received:
                raise EOFError
            view = view[received:]
