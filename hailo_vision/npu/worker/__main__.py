"""Entry of the NPU process: `python -m hailo_vision.npu.worker FD`, FD being its end of a stream socket.

It loads the model it is told to, then generates one answer at a time. It ends when the socket is
closed, when HailoRT fails, or when its parent dies.
"""

import contextlib
import faulthandler
import os
import socket
import sys
import traceback
from typing import NoReturn

from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.protocol import PROTOCOL, Failed, Hello, Load, Loaded, Problem, ProtocolError
from hailo_vision.npu.worker.channel import Channel
from hailo_vision.npu.worker.device import Model
from hailo_vision.npu.worker.loop import Worker
from hailo_vision.tuning import leave_signals_to_parent


def main() -> NoReturn:
    """Run, and leave by os._exit: where a completion is alive, HailoRT aborts or hangs in an interpreter
    that ends as usual (observed with 5.1.1 and 5.2.0)."""
    leave_signals_to_parent()
    faulthandler.enable()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    model = Model()
    status = 1
    try:
        _serve(channel, model)
    except (EOFError, ConnectionError):
        status = 0
    except NpuError as error:
        _tell(channel, error.problem)
        # Releasing what has failed may hang or abort inside HailoRT; the chip frees everything by itself
        # once the connection is closed.
        os._exit(1)
    except BaseException as error:
        traceback.print_exc()
        said = f"The NPU process failed: {type(error).__name__}: {error}"
        cure = "It is restarted. If it comes back, report it with the journal."
        _tell(channel, Problem("npu_crashed", said, cure))
    with contextlib.suppress(Exception):
        model.close()
    os._exit(status)


def _serve(channel: Channel, model: Model) -> NoReturn:
    """Load the model, then work until the front process hangs up (EOFError)."""
    channel.send(Hello(PROTOCOL))
    order = channel.receive()
    if not isinstance(order, Load):
        raise ProtocolError(f"{type(order).__name__} before Load")
    channel.send(Loaded(model.load(order)))
    Worker(channel, model).run(order.beat)


def _tell(channel: Channel, problem: Problem) -> None:
    with contextlib.suppress(OSError):
        channel.send(Failed(problem))


if __name__ == "__main__":
    main()
