"""Names and networks of the fleets that the tests boot: two checkouts on one machine do not meet."""

import os
import zlib

from emulator.fleet.layout import REPOSITORY, TEST_NETWORK, Layout, make_layout

# /24 networks after those that people are likely to use by hand.
_FIRST, _COUNT, _KINDS = 16, 55, 9
_PLACE = zlib.crc32(str(REPOSITORY).encode()) % _COUNT
# Tests that run side by side have hosts of their own (pytest-xdist).
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def _fleet(kind: str, number: int) -> Layout:
    network = TEST_NETWORK[256 * (_FIRST + _KINDS * _PLACE + number)]
    return make_layout(f"{kind}{_PLACE:02}", f"{network}/24")


CRASH = _fleet("crash", 0)
BENCH = _fleet("bench", 1)
BOOKWORM = _fleet("bookworm", 2)
ROLLOUT = _fleet("rollout", 3)
QWEN3 = _fleet("qwen", 4)
DONOR = _fleet("donor", 5)
SCENARIO = _fleet(f"test{WORKER}x", 6 + WORKER)
