from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One service for all tests that leave it as they found it."""
    shared = Server(tmp_path_factory.mktemp("server") / "run")
    try:
        yield shared.start()
    finally:
        shared.close()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes services of a test's own; takes Server's arguments, starts nothing."""
    made: list[Server] = []

    def make(**arguments: Any) -> Server:
        made.append(Server(tmp_path / f"run{len(made)}", **arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()
