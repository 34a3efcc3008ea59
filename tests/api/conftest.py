from collections.abc import Iterator

import pytest
from support.server import Server
from support.slow import SLOW, idle


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"server": {"queue_size": 2, "heartbeat_interval": 0.1}}
    server = Server(tmp_path_factory.mktemp("slow") / "run", config=config, emulator=SLOW)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def slow(slow_server: Server) -> Server:
    """A service that takes its time and lets two requests wait; idle, and with an empty journal."""
    slow_server.wait_for(idle(slow_server))
    slow_server.forget()
    return slow_server
