"""Commands about the emulated chip: `python -m hailo_platform._emulator state | power-cycle`."""

import argparse
import json

from hailo_platform._emulator.shared import power_cycle, read_state


def main() -> None:
    """Show the machine-wide record of the chip, or forget it as a reboot does."""
    parser = argparse.ArgumentParser(prog="hailo_platform._emulator", description=__doc__)
    parser.add_argument("command", choices=("state", "power-cycle"))
    if parser.parse_args().command == "power-cycle":
        power_cycle()
    print(json.dumps(read_state(), indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
