"""``python -m emulator.fleet``."""

import sys

from emulator.fleet.cli import main

sys.exit(main())
