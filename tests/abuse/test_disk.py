"""No byte is free where the model goes: that is told, and the transfer goes on once there is one."""

from pathlib import Path

import pytest
from support.mirror import serve
from support.model_script import Script
from support.server import Server

from tests.abuse.chaos import filled, small_disk

HELLO = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("free_bytes", [0, 40_000], ids=["full from the start", "full in the middle"])
def test_a_model_that_finds_no_room_is_fetched_once_there_is_some(free_bytes: int, tmp_path: Path) -> None:
    with small_disk(tmp_path) as place, serve() as mirror:
        server = Server(place)
        mirror.content = server.hef.read_bytes()
        server.hef.unlink()
        server.configure({"model": {"hef_path": str(server.hef)}})
        script = Script(server.hef, url=mirror.url)
        script.beside("part.json").write_text("{}")
        try:
            with filled(place, free_bytes):
                fetching = script.start("fetch")
                server.start(wait=False)
                server.wait_for(lambda: server.health()["problem"] is not None)
                problem = server.health()["problem"]
                assert problem["code"] == "hef_fetch_failed"
                assert "GB free" in problem["message"] or "No space left" in problem["message"]
                assert server.chat(HELLO).status_code == 503
            server.wait_for(lambda: server.http.get("/health/ready").status_code == 200)
            assert server.answer(HELLO)
            assert fetching.wait(30) == 0
        finally:
            fetching.kill()
            fetching.communicate()
            server.close()
