"""What the dearest images cost: memory, and for how long the event loop stands still for them."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from support.bombs import IMAGES, NO_IMAGES

from tests.abuse import image_cost

# docs/security.md tells operators this figure.
PEAK_BYTES = 550_000_000
# Of work of the decoder while the loop waits for it, see image_cost.
HOLD_SECONDS = 0.05
# What else runs on a machine can lengthen a hold, but hardly each time; an image that holds the loop does.
ATTEMPTS = 3
# Each image has a process of its own, a fork of one that has imported everything.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([image_cost.__name__])


def cost(source: Path) -> dict[str, str | float]:
    with ProcessPoolExecutor(1, mp_context=FORKS) as process:
        return process.submit(image_cost.cost, source).result(timeout=120)


@pytest.mark.parametrize("make", [*IMAGES.values(), *NO_IMAGES.values()], ids=[*IMAGES, *NO_IMAGES])
def test_no_image_costs_more_than_is_documented(make: Callable[[], str], tmp_path: Path) -> None:
    source = tmp_path / "image"
    source.write_text(make())
    costs = []
    for _ in range(ATTEMPTS):
        costs.append(cost(source))
        if float(costs[-1]["hold"]) < HOLD_SECONDS:
            break
    expected = "invalid_image" if make in NO_IMAGES.values() else "(336, 336, 3)"
    assert {entry["outcome"] for entry in costs} == {expected}
    assert max(float(entry["peak"]) for entry in costs) < PEAK_BYTES
    assert min(float(entry["hold"]) for entry in costs) < HOLD_SECONDS
