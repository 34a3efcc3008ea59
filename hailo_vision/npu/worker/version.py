"""Prints the installed HailoRT's version, for a process that must not import it."""

import sys

from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.worker.device import runtime_version


def main() -> int:
    try:
        version, _ = runtime_version()
    except NpuError as error:
        print(error, file=sys.stderr)
        return 1
    print(version)
    return 0


if __name__ == "__main__":
    sys.exit(main())
