"""The command line: ``python -m emulator.fleet check|up|down|status|ssh``."""

import argparse
import os
import sys
from pathlib import Path

from emulator.fleet import fleet, guide, host, machine, mirror, preflight, state
from emulator.fleet.console import say
from emulator.fleet.errors import FleetError
from emulator.fleet.layout import DEFAULT_SUBNET, Layout


def main() -> int:
    """Run one command; a ``FleetError`` becomes a sentence and status 1."""
    options = _parser().parse_args()
    try:
        if options.command == "down" and options.all:
            fleet.down_all()
            return 0
        layout = state.layout_of(options.name, options.subnet)
        return _dispatch(layout, options)
    except FleetError as error:
        print(f"emulator.fleet: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted: `up` goes on from here, `down` removes what was made.", file=sys.stderr)
        return 130


def _dispatch(layout: Layout, options: argparse.Namespace) -> int:
    match options.command:
        case "check":
            hosts = _whole_number(options.hosts)
            preflight.check(layout, hosts, options.suite)
            how_long = preflight.estimate(layout, hosts, options.suite)
            say(f"This machine has what HOSTS={hosts} needs; `make up` now takes {how_long}.")
        case "up":
            fleet.up(layout, _whole_number(options.hosts), options.suite, options.time_scale, options.base)
        case "down":
            fleet.down(layout)
        case "status":
            machine.need_root()
            print(guide.status(fleet.hosts(layout)))
        case "services":
            print("\n".join(f"{one.name}={one.url}" for one in fleet.hosts(layout)))
        case "guide":
            print(guide.text(layout, fleet.hosts(layout)))
        case "ssh":
            command = host.ssh_command(host.of_number(layout, options.number))
            os.execvp(command[0], [*command, *options.words])
        case "supervise":
            return host.supervise(host.of_number(layout, options.number))
        case "mirror":
            mirror.serve(layout, options.folder)
    return 0


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise FleetError(f"HOSTS (--hosts) must be a whole number, not {text!r}.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulator.fleet", description="Emulated Pis.")
    parser.add_argument("--name", default="hailo", help="the fleet's name (default: hailo)")
    parser.add_argument("--subnet", help=f"its network (default: what it has, or {DEFAULT_SUBNET})")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="see that this machine can run a fleet; install what it lacks")
    up = commands.add_parser("up", help="boot the hosts and write their inventory")
    for command in (check, up):
        command.add_argument("--hosts", default="2", help="how many (default: 2)")
        command.add_argument("--suite", default="trixie", help="trixie (default) or bookworm")
    up.add_argument("--time-scale", type=float, default=1.0, help="1 as a Hailo-10H, 0.1 ten times as fast")
    up.add_argument("--base", type=Path, help="a disk that new hosts begin with, as a copy of another host's")
    down = commands.add_parser("down", help="remove the fleet and every trace of it")
    down.add_argument("--all", action="store_true", help="remove all fleets of this checkout")
    commands.add_parser("status", help="tell which hosts run")
    commands.add_parser("services", help="print NAME=URL of the service on each host")
    commands.add_parser("guide", help="tell what to do with the fleet")
    ssh = commands.add_parser("ssh", help="log in to a host by its number")
    ssh.add_argument("number", type=int)
    ssh.add_argument("words", nargs=argparse.REMAINDER, help="a command to run there")
    commands.add_parser("supervise").add_argument("number", type=int)
    commands.add_parser("mirror").add_argument("folder", type=Path)
    return parser
