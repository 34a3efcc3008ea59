"""The maker of stand-in HEF files: `python -m hailo_platform._emulator.hef make PATH`."""

import argparse
from pathlib import Path

from hailo_platform._emulator.heffile import HefInfo, make


def main(arguments: list[str] | None = None) -> None:
    """The command line: `make PATH`, with options for what the file says of itself."""
    parser = argparse.ArgumentParser(prog="hailo_platform._emulator.hef", description=__doc__)
    maker = parser.add_subparsers(required=True).add_parser("make", help="write a stand-in HEF")
    maker.add_argument("path", type=Path)
    maker.add_argument("--model", default="Qwen2-VL-2B-Instruct")
    maker.add_argument("--sdk-version", default="5.1.1")
    maker.add_argument("--arch", default="HAILO10H")
    maker.add_argument("--not-genai", action="store_true", help="a HEF without a language model")
    maker.add_argument("--size", type=int, default=4_000_000, help="bytes (default 4000000)")
    options = parser.parse_args(arguments)
    info = HefInfo(options.model, options.sdk_version, options.arch, not options.not_genai)
    make(options.path, info, options.size)
    print(f"{options.path}: {options.path.stat().st_size} bytes, sdk-version: {options.sdk_version}")


if __name__ == "__main__":
    main()
