"""Names and networks of the fleets that the tests boot: two checkouts on one machine do not meet."""

import zlib

from emulator.fleet.layout import REPOSITORY, TEST_NETWORK, Layout, make_layout

# /24 networks after those that people are likely to use by hand.
_FIRST, _COUNT, _KINDS = 16, 99, 5
_PLACE = zlib.crc32(str(REPOSITORY).encode()) % _COUNT


def _fleet(kind: str, number: int) -> Layout:
    network = TEST_NETWORK[256 * (_FIRST + _KINDS * _PLACE + number)]
    return make_layout(f"{kind}{_PLACE:03}", f"{network}/24")


SCENARIO = _fleet("test", 0)
CRASH = _fleet("crash", 1)
BENCH = _fleet("bench", 2)
BOOKWORM = _fleet("bookworm", 3)
ROLLOUT = _fleet("rollout", 4)
