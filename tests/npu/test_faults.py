"""Every fault of the NPU: its outcome, its message with a cure, and the service healing."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from support.pictures import photo, user
from support.server import MODEL, Server

HELLO = {"role": "user", "content": "Hello, please tell me something about yourself."}
MakeServer = Callable[..., Server]

# Everything that fails while loading: what is injected -> problem code, a word of its message, state.
LOADING: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "device busy": ({"device_busy": True}, "device_busy", "Another program", "restarting"),
    "driver and library differ": ({"vdevice_status": 76}, "driver_mismatch", "versions", "failed"),
    "ioctl mismatch": ({"vdevice_status": 86}, "driver_mismatch", "versions", "failed"),
    "no driver": ({"vdevice_status": 64}, "driver_missing", "driver", "restarting"),
    "no language models": ({"vdevice_status": 79}, "not_supported", "language models", "failed"),
    "driver waits in vain": ({"vdevice_status": 87}, "device_lost", "driver waited", "restarting"),
    "a signal": ({"load_status": 88}, "npu_interrupted", "signal", "restarting"),
    "server away": ({"vdevice_status": 89}, "device_lost", "starts anew", "restarting"),
    "link lost": ({"load_status": 62}, "device_lost", "link", "restarting"),
    "damaged HEF": ({"load_status": 91}, "hef_invalid", "is damaged", "failed"),
    "HEF of another release": ({"load_status": 61}, "hef_unfit", "one release", "failed"),
    "HEF for another chip": ({"load_status": 93}, "hef_wrong_device", "another chip", "failed"),
    "HEF of another kind": ({"load_status": 8}, "hef_not_genai", "no language model", "restarting"),
    "CMA exhausted": ({"load_status": 81}, "cma_exhausted", "contiguous memory", "failed"),
    "NPU memory full": ({"load_status": 71}, "npu_memory", "memory", "restarting"),
    "crash while loading": ({"crash_in_load": True}, "npu_crashed", "ended by", "restarting"),
}


@pytest.mark.parametrize("fault", LOADING)
def test_a_fault_while_loading_is_told_with_its_cure_and_heals(fault: str, make_server: MakeServer) -> None:
    faults, code, words, state = LOADING[fault]
    server = make_server(faults=faults)
    server.start(wait=False)
    server.wait_for(lambda: server.health()["problem"] is not None)
    health = server.health()
    assert (health["problem"]["code"], health["model_loaded"]) == (code, False)
    assert words in health["problem"]["message"]
    assert len(health["problem"]["cure"]) > 20
    assert health["state"] in (state, "loading")
    assert f"{code}: {health['problem']['message']} Cure: {health['problem']['cure']}" in server.log()
    refused = server.chat(HELLO)
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "device_unavailable"
    assert int(refused.headers["retry-after"]) >= 1
    assert server.http.get("/health/ready").status_code == 503
    if state == "restarting":
        server.inject()
        server.wait_for(lambda: server.health()["state"] == "ready")
        assert server.health()["problem"] is None
        assert server.answer(HELLO)


def test_a_device_that_appears_is_used(make_server: MakeServer) -> None:
    server = make_server()
    node = server.directory / "hailo0"
    node.unlink()
    server.start(wait=False)
    server.wait_for(lambda: server.health()["problem"] is not None)
    assert server.health()["problem"]["code"] == "device_not_found"
    assert str(node) in server.health()["problem"]["message"]
    node.touch()
    server.wait_for(lambda: server.health()["state"] == "ready")
    assert server.health()["device"]["path"] == str(node)


def test_without_hailort_it_is_told_what_to_install(make_server: MakeServer) -> None:
    server = make_server()
    server.extra_environment = {"PYTHONPATH": ""}
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "failed")
    problem = server.health()["problem"]
    assert (problem["code"], "python3-h10-hailort" in problem["cure"]) == ("runtime_missing", True)
    assert "No module named 'hailo_platform'" in problem["message"]


def test_a_missing_hef_is_loaded_when_it_appears(make_server: MakeServer) -> None:
    server = make_server(hef=False)
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "failed")
    assert server.health()["problem"]["code"] == "hef_missing"
    server.make_hef()
    server.wait_for(lambda: server.health()["state"] == "ready")
    assert server.answer(HELLO)


def test_a_hef_newer_than_the_runtime_is_named(make_server: MakeServer) -> None:
    server = make_server(hef=False)
    server.make_hef(sdk_version="5.3.0")
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "failed")
    problem = server.health()["problem"]
    assert problem["code"] == "hef_too_new"
    assert "5.3.0" in problem["message"]
    assert "5.1.1" in problem["message"]


@pytest.mark.parametrize("version", ["5.1.1", "5.2.0"])
def test_what_is_no_model_is_named_by_its_size_and_first_bytes(version: str, make_server: MakeServer) -> None:
    server = make_server(emulator={"version": version})
    server.hef.write_bytes(b"<html>404</html>")
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "failed")
    problem = server.health()["problem"]
    assert problem["code"] == "hef_invalid"
    assert f"{server.hef} is no model file: it has 16 bytes and begins with b'<html>404" in problem["message"]


def test_a_truncated_file_is_named_and_replaced(make_server: MakeServer) -> None:
    server = make_server()
    whole = server.hef.read_bytes()
    server.hef.write_bytes(whole[: len(whole) // 2])
    server.start(wait=False)
    server.wait_for(lambda: server.health()["state"] == "failed")
    assert server.health()["problem"]["code"] == "hef_invalid"
    assert f"it has {len(whole) // 2} of {len(whole)} bytes" in server.health()["problem"]["message"]
    server.hef.write_bytes(whole)
    server.wait_for(lambda: server.health()["state"] == "ready")


# Everything that fails while generating: what is injected -> the problem's code (a regular expression).
GENERATING: dict[str, tuple[dict[str, Any], str]] = {
    "link lost": ({"link_lost_after_tokens": 3, "link_recovers": True}, "device_lost"),
    "crash": ({"crash_after_tokens": 3}, "npu_crashed"),
    "encoder failure": ({"encoder_status": 8}, "npu_error"),
    "poisoned model": ({"poison": True}, "model_poisoned"),
    # HailoRT tells it only to a reader that has nothing queued; otherwise it is silent.
    "decoding fails": ({"decode_fails_after_tokens": 3}, "npu_silent|model_poisoned"),
    "a read that never returns": ({"read_hang_after_tokens": 3}, "npu_silent"),
    "a chip that falls silent": ({"stall_after_tokens": 3}, "npu_silent"),
    "generate that never returns": ({"generate_hang": True}, "npu_silent"),
    "abort inside a release": (
        {"link_lost_after_tokens": 3, "abort_in_release": True, "link_recovers": True},
        "device_lost",
    ),
}


@pytest.mark.parametrize("fault", GENERATING)
def test_a_fault_while_generating_is_a_clean_error_and_heals(fault: str, make_server: MakeServer) -> None:
    faults, code = GENERATING[fault]
    # A short limit where silence is the fault; elsewhere a busy machine must not look silent.
    server = make_server(config={"npu": {"stall_timeout": 2.0 if "silent" in code else 30.0}}).start()
    server.inject(**faults, times={name: 1 for name in faults if name != "link_recovers"})

    failed = server.chat(user("What is this?", photo("coffee")))
    assert failed.status_code == 503, failed.text
    assert failed.json()["error"]["code"] == "device_unavailable"
    server.wait_for(lambda: bool(re.search(f"ERROR hailo_vision.npu.supervisor: ({code}):", server.log())))
    server.inject()
    server.wait_for(lambda: server.health()["state"] == "ready")
    assert server.answer(user("What is this?", photo("coffee")))


def test_a_link_lost_in_silence_is_found_out(make_server: MakeServer) -> None:
    """A reader that comes late gets the pieces that wait, and from then on only time-outs."""
    server = make_server(emulator={"time_scale": 1.0, "timing": {"load": 0.1, "token": 0.05}}).start()
    server.inject(link_lost_after_tokens=10, link_recovers=True, times={"link_lost_after_tokens": 1})
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.chat, HELLO)
        server.wait_for(lambda: any(event["event"] == "prefill" for event in server.journal()))
        npu = server.health()["npu_pid"]
        os.kill(npu, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(npu, signal.SIGCONT)
        resumed = time.monotonic()
        assert asked.result().status_code == 503
    assert time.monotonic() - resumed < 10  # stall_timeout is 30 s
    server.wait_for(lambda: "supervisor: device_lost:" in server.log())
    assert "model_poisoned" not in server.log()


def test_an_abort_that_hailort_answers_with_sigabrt_is_a_lost_link(make_server: MakeServer) -> None:
    server = make_server(emulator={"time_scale": 1.0, "timing": {"load": 0.1}}).start()
    server.inject(abort_in_release=True, times={"abort_in_release": 1})
    with pytest.raises(httpx.ReadTimeout):
        server.http.post(
            "/v1/chat/completions", json={"model": MODEL, "messages": [HELLO], "temperature": 0}, timeout=1.0
        )
    server.wait_for(lambda: "supervisor: device_lost:" in server.log())
    assert "SIGABRT" in server.log()


def test_a_second_service_is_told_who_holds_the_chip(make_server: MakeServer) -> None:
    first = make_server(emulator={"version": "5.2.0"}).start()
    chip = {"device": str(first.directory / "hailo0"), "state_dir": str(first.directory / "state")}
    second = make_server(emulator={"version": "5.2.0", **chip}).start(wait=False)
    second.wait_for(lambda: second.health()["problem"] is not None)
    problem = second.health()["problem"]
    assert problem["code"] == "device_busy"
    assert f"(pid {first.health()['npu_pid']}" in problem["message"]
    assert first.stop() == 0
    second.wait_for(lambda: second.health()["state"] == "ready")


def test_two_services_share_a_chip_of_5_1_1(make_server: MakeServer) -> None:
    first = make_server().start()
    chip = {"device": str(first.directory / "hailo0"), "state_dir": str(first.directory / "state")}
    second = make_server(emulator=chip).start()
    assert first.answer(HELLO) == second.answer(HELLO)


def test_what_a_killed_process_left_at_work_is_waited_for(make_server: MakeServer) -> None:
    slow = {"load": 0.1, "prefill_chunk": 3.0}
    server = make_server(emulator={"version": "5.2.0", "time_scale": 1.0, "timing": slow}).start()
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.chat, HELLO)
        server.wait_for(lambda: any(event["event"] == "generate" for event in server.journal()))
        kill_npu_process(server)
        assert asked.result().status_code == 503
    server.wait_for(lambda: server.health()["state"] == "ready")
    assert not re.search("device_(busy|lost)", server.log())


def test_a_chip_that_is_busy_for_a_moment_is_asked_again(make_server: MakeServer) -> None:
    server = make_server(faults={"load_status": 62, "times": {"load_status": 2}}).start()
    assert [event["event"] for event in server.journal() if "load" in event["event"]] == [
        *["load_begin", "load_failed"] * 2, "load_begin", "loaded",
    ]  # fmt: skip
    assert "ERROR" not in server.log()


def test_a_lost_wake_up_is_made_up_for(make_server: MakeServer) -> None:
    server = make_server(faults={"open_loses_wakeup": True, "times": {"open_loses_wakeup": 2}}).start()
    assert server.health()["loads"] == 1
    assert "ERROR" not in server.log()


def test_a_link_that_stays_lost_is_told_until_the_power_is_cycled(make_server: MakeServer) -> None:
    server = make_server().start()
    server.inject(link_lost_after_tokens=2, times={"link_lost_after_tokens": 1})
    assert server.chat(HELLO).status_code == 503
    server.wait_for(lambda: server.log().count("device_lost") >= 2)
    assert "power-cycle" in server.health()["problem"]["cure"]
    server.inject()
    subprocess.run(
        [sys.executable, "-m", "hailo_platform._emulator", "power-cycle"],
        env=server.environment(),
        check=True,
    )
    server.wait_for(lambda: server.health()["state"] == "ready")
    assert server.answer(HELLO)


def kill_npu_process(server: Server) -> None:
    """Kill it, and wait until it is another or none."""
    before = server.health()["npu_pid"]
    os.kill(before, signal.SIGKILL)
    server.wait_for(lambda: server.health()["npu_pid"] != before)


def test_loads_that_use_up_contiguous_memory_end_in_a_failure_told(make_server: MakeServer) -> None:
    server = make_server(emulator={"loads_until_cma_is_gone": 2}).start()
    for _ in range(2):
        kill_npu_process(server)
        server.wait_for(lambda: server.health()["state"] in ("ready", "failed"))
    assert server.health()["problem"]["code"] == "cma_exhausted"
    assert "Reboot" in server.health()["problem"]["cure"]
    # What HailoRT wrote to the NPU process's stderr is the problem's detail, and in the journal.
    said = "[HailoRT] [error] Failed to allocate memory, no host CMA memory left"
    assert said in server.health()["problem"]["detail"]
    assert f"WARNING hailo_vision.npu.worker: {said}" in server.log()


def test_a_stream_that_breaks_ends_with_an_error_event(make_server: MakeServer) -> None:
    server = make_server().start()
    server.inject(crash_after_tokens=3, times={"crash_after_tokens": 1})
    response = server.chat(HELLO, stream=True)
    events = [line for line in response.text.split("\n\n") if line]
    assert response.status_code == 200
    assert '"error":{' in events[-2]
    assert events[-1] == "data: [DONE]"
    server.wait_for(lambda: "hailo_vision_rejected_total{" in server.http.get("/metrics").text)
    assert "request_success_total{" not in server.http.get("/metrics").text


def test_queued_requests_outlive_the_crash_of_another(make_server: MakeServer) -> None:
    server = make_server(emulator={"time_scale": 0.02}).start()
    server.inject(crash_after_tokens=3, times={"crash_after_tokens": 1})
    with ThreadPoolExecutor(4) as clients:
        responses = list(clients.map(lambda _: server.chat(HELLO), range(4)))
    assert sorted(response.status_code for response in responses) == [200, 200, 200, 503]


def test_a_process_that_stops_answering_while_idle_is_replaced(make_server: MakeServer) -> None:
    server = make_server(config={"npu": {"stall_timeout": 1.0}}).start()
    before = server.health()["npu_pid"]
    os.kill(before, signal.SIGSTOP)
    server.wait_for(lambda: server.health()["npu_pid"] not in (None, before))
    assert "npu_silent" in server.log()
    assert server.answer(HELLO)


def test_a_killed_process_is_replaced(make_server: MakeServer) -> None:
    server = make_server().start()
    before = server.health()["npu_pid"]
    os.kill(before, signal.SIGKILL)
    server.wait_for(lambda: server.health()["npu_pid"] not in (None, before))
    assert "npu_crashed: The NPU process ended by SIGKILL" in server.log()
    assert server.answer(HELLO)


def test_who_asks_in_the_moment_after_an_idle_crash_is_told_when_to_ask_again(
    make_server: MakeServer,
) -> None:
    server = make_server().start()
    for _ in range(3):
        os.kill(server.health()["npu_pid"], signal.SIGKILL)
        refused = server.chat(HELLO)
        assert refused.status_code == 503, refused.text
        assert refused.json()["error"]["code"] == "device_unavailable"
        assert int(refused.headers["retry-after"]) >= 1
        server.wait_for(lambda: server.health()["state"] == "ready")
        assert server.answer(HELLO)


def test_the_npu_process_ends_with_its_parent(make_server: MakeServer) -> None:
    server = make_server().start()
    npu = server.health()["npu_pid"]
    server.stop(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and os.path.exists(f"/proc/{npu}"):
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{npu}")


def test_health_answers_while_the_npu_holds_its_process(make_server: MakeServer) -> None:
    server = make_server(emulator={"time_scale": 1.0, "hold_gil": True})
    server.start(wait=False)
    slowest = 0.0
    for _ in range(100):
        started = time.monotonic()
        assert server.health()["state"] == "loading"
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 1.0
