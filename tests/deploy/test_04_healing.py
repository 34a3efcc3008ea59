"""Processes killed on a deployed Pi come back by themselves."""

import time

from tests.deploy.conftest import Pi

NPU = "pgrep --full 'hailo_vision[.]npu'"


def test_a_killed_front_process_is_restarted(pi: Pi) -> None:
    before = pi.property("MainPID")
    pi.run("systemctl kill --signal=KILL --kill-whom=main hailo-vision")
    limit = time.monotonic() + 30
    while pi.property("MainPID") in (before, "0") and time.monotonic() < limit:
        time.sleep(0.2)
    assert pi.property("MainPID") not in (before, "0")
    pi.wait_ready()
    assert pi.ask("coffee.jpg")


def test_a_killed_npu_process_is_replaced_without_a_restart_of_the_service(pi: Pi) -> None:
    front, npu = pi.property("MainPID"), pi.run(NPU)
    pi.run(f"kill -9 {npu}")
    limit = time.monotonic() + 30
    while pi.run(NPU, check=False) in (npu, "") and time.monotonic() < limit:
        time.sleep(0.2)
    pi.wait_ready()
    assert pi.run(NPU) != npu
    assert pi.property("MainPID") == front
    assert pi.ask("coffee.jpg")
