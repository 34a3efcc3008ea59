"""Entry of the NPU process: `python -m hailo_vision.npu.worker FD`, FD being its end of a stream socket.

It loads the model it is told to, then generates one answer at a time. It ends when the socket is
closed, when HailoRT fails, or when its parent dies.
"""

import ctypes
import os
import signal
import socket
import sys

from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.protocol import PROTOCOL, Failed, Hello, Load, Loaded, ProtocolError
from hailo_vision.npu.worker.channel import Channel
from hailo_vision.npu.worker.device import Model
from hailo_vision.npu.worker.loop import Worker

_PR_SET_PDEATHSIG = 1


def main() -> int:
    # The front process decides when this one stops: a signal to the whole group (Ctrl-C, systemd)
    # must not cut the generation that the front is still draining.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        serve(channel)
    except (EOFError, ConnectionError):
        return 0
    except NpuError as error:
        channel.send(Failed(error.problem))
        # Releasing a device that failed may hang or abort inside HailoRT; the chip frees everything
        # when the connection closes.
        os._exit(1)
    return 0


def serve(channel: Channel) -> None:
    """Load the model, then work until the front process hangs up (EOFError)."""
    channel.send(Hello(PROTOCOL))
    request = channel.receive()
    if not isinstance(request, Load):
        raise ProtocolError(f"{type(request).__name__} before Load")
    model = Model(request)
    channel.send(Loaded(model.info))
    try:
        Worker(channel, model).run()
    except (EOFError, ConnectionError):
        model.close()
        raise


if __name__ == "__main__":
    sys.exit(main())
