"""The kernel ends the NPU process for want of memory: told as that, and healed."""

from collections.abc import Callable

from support.memory import starved
from support.pictures import plain, user
from support.server import Server


def test_an_npu_process_that_the_kernel_ends_for_its_memory_is_replaced(
    make_server: Callable[..., Server],
) -> None:
    server = make_server().start()
    before = server.health()["npu_pid"]
    with starved(before):
        refused = server.chat(user("What is this?", plain("red"), plain("blue")))
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert "when memory is short" in refused.json()["error"]["message"]
    server.wait_for(lambda: server.health()["loads"] == 2)
    assert server.health()["npu_pid"] != before
    assert "red" in server.answer(user("Which colour is this?", plain("red")))
