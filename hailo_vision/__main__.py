"""The command `hailo-vision`, which `python -m hailo_vision` runs as well."""

import os
import signal
from typing import NoReturn


def main() -> int:
    """Run cli.main(), which Ctrl-C ends with status 130 at any time.

    Importing the rest takes a while, and Python would end with a traceback meanwhile.
    """
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as a job in the background has it
        signal.signal(signal.SIGINT, _leave)
    from hailo_vision import cli

    return cli.main()


def _leave(*_: object) -> NoReturn:
    try:
        os.write(2, b"Interrupted.\n")
    finally:
        os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    raise SystemExit(main())
