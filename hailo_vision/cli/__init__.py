"""The command `hailo-vision`."""

import argparse
import sys
from pathlib import Path

from hailo_vision import __version__, config

_BAD_USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; returns the exit status: 0, 1 for a failure, 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        return status
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return _BAD_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hailo-vision", description="Serve Qwen2-VL on a Hailo-10H.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve the HTTP API")
    serve.add_argument("--config", type=Path, help=f"configuration file (default {config.DEFAULT_PATH})")
    serve.set_defaults(run=_serve)

    check = commands.add_parser("check-config", help="check a configuration file")
    check.add_argument("file", type=Path)
    check.set_defaults(run=_check_config)

    ask = commands.add_parser("ask", help="ask a running service about a picture")
    ask.add_argument("image", type=Path)
    ask.add_argument("prompt")
    ask.add_argument("--url", default="http://127.0.0.1:11435", help="the service (default %(default)s)")
    ask.set_defaults(run=_ask)

    bench = commands.add_parser("bench", help="measure what clients of a running service wait for")
    bench.add_argument("image", type=Path, nargs="?", help="a picture to ask about (default: only text)")
    bench.add_argument("--prompt", default="Describe what you see.", help="default: %(default)s")
    bench.add_argument("--clients", type=_count, default=1, help="so many at once (default %(default)s)")
    bench.add_argument("--requests", type=_count, default=5, help="of each client (default %(default)s)")
    bench.add_argument("--max-tokens", type=_count, default=64, help="of an answer (default %(default)s)")
    bench.add_argument("--url", default="http://127.0.0.1:11435", help="the service (default %(default)s)")
    bench.add_argument("--json", action="store_true", help="print every answer's figures as JSON")
    bench.set_defaults(run=_bench)

    doctor = commands.add_parser("doctor", help="find out why the service does not answer")
    doctor.add_argument("--config", type=Path, help=f"configuration file (default {config.DEFAULT_PATH})")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(run=_doctor)

    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version)
    return parser


def _serve(options: argparse.Namespace) -> int:
    # Imported here: Sanic takes most of a second on a Pi, and the other commands need none of it.
    from hailo_vision import logs
    from hailo_vision.http.app import serve
    from hailo_vision.systemd import inherited_socket

    settings = config.load_or_default(options.config)
    try:
        with logs.to_stderr():
            serve(settings, inherited_socket())
    except OSError as error:
        where = f"{settings.server.host}:{settings.server.port}"
        print(f"hailo-vision: cannot listen on {where}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _check_config(options: argparse.Namespace) -> int:
    config.load(options.file)
    return 0


def _ask(options: argparse.Namespace) -> int:
    from hailo_vision.cli.client import ask

    return ask(options.url, options.image, options.prompt)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _bench(options: argparse.Namespace) -> int:
    from hailo_vision.cli.bench import Options, bench

    what = Options(options.clients, options.requests, options.prompt, options.max_tokens, options.json)
    return bench(options.url, options.image, what)


def _doctor(options: argparse.Namespace) -> int:
    import msgspec

    from hailo_vision.cli.doctor import examine, report

    findings = examine(options.config)
    print(msgspec.json.encode(findings).decode() if options.json else report(findings))
    return 0 if all(finding.ok for finding in findings) else 1


def _version(options: argparse.Namespace) -> int:
    print(f"hailo-vision {__version__}")
    return 0
