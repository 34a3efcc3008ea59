"""A few rounds of what `make chaos` does at length: the same in each run, every kind of fault once.

With more patience than that has: other tests may run beside it.
"""

import asyncio
from pathlib import Path

import pytest

from tests.abuse.chaos import chaos, complaints, small_disk


@pytest.mark.parametrize(
    ("kinds", "rounds"),
    [
        (["kill_front", "jump_clock", "hang_front", "stop_front"], 4),
        (["kill_npu", "starve_npu", "hang_npu", "remove_device", "fill_disk"], 5),
    ],
    ids=["front", "npu"],
)
def test_the_service_comes_back_and_no_half_answer_looks_whole(
    kinds: list[str], rounds: int, tmp_path: Path
) -> None:
    with small_disk(tmp_path) as place:
        report = asyncio.run(chaos(place, rounds, seed=2, kinds=kinds, patience=120))
    assert complaints(report) == []
    assert set(report["longest_seconds"]) == set(kinds)
    assert any(name.endswith(" 200") for name in report["outcomes"])
