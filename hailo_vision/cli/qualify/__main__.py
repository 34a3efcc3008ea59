"""The process that holds the chip: `python -m hailo_vision.cli.qualify FD` runs the steps that it is sent.

A step is (name, arguments); its outcome is (values, "") or (None, cause). After a failed one the
process ends, as the chip's state is not known any more.
"""

import os
import sys
from multiprocessing.connection import Connection
from typing import NoReturn

from hailo_vision.cli.qualify.measure import Measurements
from hailo_vision.npu.problems import NpuError
from hailo_vision.tuning import leave_signals_to_parent


def main() -> NoReturn:
    """Work until the other side hangs up, and leave by os._exit, as the service's NPU process does."""
    leave_signals_to_parent()
    connection = Connection(int(sys.argv[1]))
    steps = Measurements()
    try:
        while True:
            name, arguments = connection.recv()
            connection.send((getattr(steps, name)(*arguments), ""))
    except EOFError:
        steps.unload()
        os._exit(0)
    except NpuError as error:
        cause = f"{error.problem.message} {error.problem.cure}"
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
    connection.send((None, cause))
    os._exit(1)


if __name__ == "__main__":
    main()
