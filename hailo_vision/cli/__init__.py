"""The command `hailo-vision`."""

import argparse
import io
import os
import pkgutil
import re
import signal
import sys
import warnings
from pathlib import Path

from hailo_vision import __version__, config
from hailo_vision.cli.client import Failed, visible

_BAD_USAGE = 2
_BY_SIGNAL = 128  # what a shell adds to the number of the signal that ended a program
_SERVICE = "http://127.0.0.1:11435"


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand.

    Returns:
        The exit status: 0, 1 for a failure, 2 for bad input, 130 after Ctrl-C, 141 when the reader of the
        output has left.
    """
    options = _parser().parse_args(arguments)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:  # the caller has closed it; what is opened next would take its place
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
            setattr(sys, name, os.fdopen(descriptor, "w"))
    # A terminal that lacks a character shows a question mark for it.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        # Each command imports what it needs by itself: Sanic alone takes most of a second on a Pi.
        status: int = pkgutil.resolve_name(options.run)(options) or 0
        print(end="", flush=True)
        return status
    except config.ConfigError as error:
        return _fail(str(error), _BAD_USAGE)
    except Failed as error:
        return _fail(str(error), error.status)
    except KeyboardInterrupt:
        return _fail("Interrupted.", _BY_SIGNAL + signal.SIGINT)
    except OSError as error:
        # Python would try once more to write what is left, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return _BY_SIGNAL + signal.SIGPIPE
        return _fail(f"{error.filename or 'standard output'}: {error.strerror}", 1)


def _fail(message: str, status: int) -> int:
    print(visible(message), file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hailo-vision", description="Serve Qwen2-VL on a Hailo-10H.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    configured, client = (argparse.ArgumentParser(add_help=False) for _ in range(2))
    configured.add_argument("--config", type=Path, help=f"configuration file (default {config.DEFAULT_PATH})")
    client.add_argument("--url", default=_SERVICE, help="the service (default %(default)s)")

    serve = commands.add_parser("serve", parents=[configured], help="serve the HTTP API")
    serve.set_defaults(run="hailo_vision.cli:_serve")

    check = commands.add_parser("check-config", help="check a configuration file")
    check.add_argument("file", type=Path)
    check.set_defaults(run="hailo_vision.cli:_check_config")

    ask = commands.add_parser("ask", parents=[client], help="ask a running service about an image")
    ask.add_argument("image", type=Path)
    ask.add_argument("prompt")
    ask.set_defaults(run="hailo_vision.cli.ask:ask")

    bench = commands.add_parser(
        "bench", parents=[client], help="measure what clients of a running service wait for"
    )
    bench.add_argument("image", type=Path, nargs="?", help="an image to ask about (default: only text)")
    bench.add_argument("--prompt", default="Describe what you see.", help="default: %(default)s")
    bench.add_argument("--clients", type=_count, default=1, help="how many at once (default %(default)s)")
    bench.add_argument("--requests", type=_count, default=5, help="of each client (default %(default)s)")
    bench.add_argument("--max-tokens", type=_count, default=64, help="of an answer (default %(default)s)")
    bench.add_argument("--json", action="store_true", help="print every answer's figures as JSON")
    bench.set_defaults(run="hailo_vision.cli.bench:bench")

    doctor = commands.add_parser(
        "doctor", parents=[configured], help="find out why the service does not answer"
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(run="hailo_vision.cli.doctor:doctor")

    bundle = commands.add_parser(
        "support-bundle", parents=[configured], help="collect what helps to find a fault, without secrets"
    )
    bundle.add_argument("--output", help="a new file, or - for standard output (default: one with the time)")
    bundle.add_argument("--lines", type=_count, default=5000, help="of each log (default %(default)s)")
    bundle.set_defaults(run="hailo_vision.cli.support_bundle:support_bundle")

    qualify = commands.add_parser(
        "qualify",
        parents=[configured],
        help="measure what only this Pi can tell, with the service stopped; write a report",
    )
    qualify.add_argument("--output", type=Path, default=Path(), help="folder of the report (default: here)")
    qualify.add_argument("--no-service", action="store_true", help="do not stop and start the service")
    qualify.set_defaults(run="hailo_vision.cli.qualify:qualify")

    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run="hailo_vision.cli:_version")
    return parser


def _count(text: str) -> int:
    if not re.fullmatch("0*[1-9][0-9]{,8}", text):
        expected = "expected a whole number of at least 1 and nine digits at most"
        raise argparse.ArgumentTypeError(f"{expected}, got {text[:40]!r}")
    return int(text)


def _serve(options: argparse.Namespace) -> None:
    from hailo_vision import logs
    from hailo_vision.http.app import serve
    from hailo_vision.systemd import inherited_sockets

    # What libraries tell their developers; some of it is made of what clients send, and it would be written
    # past the log.
    warnings.simplefilter("ignore")
    settings = config.load_or_default(options.config)
    try:
        with logs.to_stderr():
            serve(settings, inherited_sockets())
    except OSError as error:
        raise Failed(f"hailo-vision: cannot listen on {error.filename}: {error.strerror}") from error


def _check_config(options: argparse.Namespace) -> None:
    config.load(options.file)


def _version(_options: argparse.Namespace) -> None:
    print(f"hailo-vision {__version__}")
