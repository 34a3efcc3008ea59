"""Whether code lets others have their turn on the event loop."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def turns_of_another() -> Iterator[Callable[[], int]]:
    """How many turns another task has had up to now, which always wants the next one."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    try:
        yield lambda: turns
    finally:
        task.cancel()
