"""``python -m emulator.packages FOLDER``: build the mirror's content and print where it lies."""

import argparse
from pathlib import Path

from emulator.packages import build

parser = argparse.ArgumentParser(prog="python -m emulator.packages", description=__doc__)
parser.add_argument("folder", type=Path, help="where to build, in a folder named by its content")
print(build.ensure(parser.parse_args().folder.resolve()).folder)
