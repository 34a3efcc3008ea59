"""What `ask` and `bench` do when something is wrong: one sentence and an exit status, never a traceback."""

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.certificates import issue
from support.origin import Origin, response
from support.pictures import DATA
from support.server import Server
from support.slow import SLOW

from hailo_vision.cli import doctor
from hailo_vision.cli.finding import Finding

ASK = ("ask", str(DATA / "coffee.jpg"), "What is this?")
BENCH = ("bench", "--requests", "3", "--prompt", "Describe the sea in detail.")
both = pytest.mark.parametrize("command", [ASK, BENCH], ids=["ask", "bench"])


def begin(*arguments: str, stdout: int = subprocess.PIPE, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hailo_vision", *arguments],
        env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def failure(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status, and the one line that it says."""
    _, said = process.communicate(timeout=60)
    lines = said.splitlines()
    assert len(lines) == 1, said
    return process.returncode, lines[0]


@pytest.fixture
def slow(make_server: Callable[..., Server]) -> Server:
    return make_server(emulator=SLOW).start()


def generating(server: Server) -> bool:
    return bool(server.health()["state"] == "generating")


def test_an_answer_that_was_cut_is_a_failure(slow: Server) -> None:
    process = begin(*ASK, "--url", slow.url)
    assert process.stdout
    assert process.stdout.read(1)
    assert slow.process
    slow.process.kill()
    status, said = failure(process)
    assert status == 1
    assert "incomplete" in said


MODELS = response(b'{"data": [{"id": "one"}]}')
DEEP = b"[" * 100_000
CHUNK = b'data: {"choices": [{"delta": {"content": "It is"}}]}\n\n'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(CHUNK)


@both
@pytest.mark.parametrize(
    "cut",
    [response(CHUNK), CHUNKED + CHUNK[:9], CHUNKED + CHUNK + b"\r\n", CHUNKED + CHUNK + b"\r\n0\r\n\r\n"],
    ids=["in good order", "within a chunk", "between chunks", "chunks in good order"],
)
def test_a_stream_without_its_end_is_a_failure(command: tuple[str, ...], cut: bytes) -> None:
    """Only the missing [DONE] tells: a proxy may end a cut stream in good order."""
    with Origin({"/v1/models": MODELS, "/v1/chat/completions": cut}) as origin:
        status, said = failure(begin(*command, "--url", origin.url("")))
    assert status == 1
    assert said.startswith("The answer is incomplete: ")


@both
def test_control_c_ends_it(command: tuple[str, ...], slow: Server) -> None:
    process = begin(*command, "--url", slow.url)
    slow.wait_for(lambda: generating(slow))
    process.send_signal(signal.SIGINT)
    assert failure(process) == (130, "Interrupted.")


@pytest.mark.parametrize(("command", "module"), [("version", "yaml"), ("serve", "sanic")])
def test_control_c_ends_a_command_that_has_hardly_begun(command: str, module: str, tmp_path: Path) -> None:
    """The module stands for any of those whose import takes long."""
    (tmp_path / f"{module}.py").write_text("print('importing', flush=True)\ninput()\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "hailo_vision", command],
        env={"PYTHONPATH": str(tmp_path)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert failure(process) == (130, "Interrupted.")


@both
@pytest.mark.parametrize(
    "url",
    [
        "foo", "ftp://pi", "http://", "http://[::1", "http://pi:99999", "http://a b", "http://me:pw@pi",
        "http://a..b",
    ],
)  # fmt: skip
def test_what_is_no_address_is_bad_usage(command: tuple[str, ...], url: str) -> None:
    status, said = failure(begin(*command, "--url", url))
    assert status == 2
    assert said.startswith("--url: expected an address")


@both
@pytest.mark.parametrize("body", [b"<html>router</html>", b"[]", b'{"data": []}', b"{", b"\xff", DEEP])
def test_another_web_server_is_told_as_such(command: tuple[str, ...], body: bytes) -> None:
    with Origin({"/v1/models": response(body)}) as origin:
        status, said = failure(begin(*command, "--url", origin.url("")))
    assert status == 1
    assert "not answer as a Hailo Vision service" in said


@both
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    ],
)
def test_what_is_no_web_server_is_told(command: tuple[str, ...], answer: bytes) -> None:
    with Origin({"/v1/models": answer}) as origin:
        status, said = failure(begin(*command, "--url", origin.url("")))
    assert status == 1
    assert origin.url("") in said


@both
@pytest.mark.parametrize(
    "chunk", [b"{", b"[]", b'{"choices": 5}', b'{"choices": [{"delta": 5}]}', b'{"error": 1}', DEEP]
)
def test_chunks_of_another_kind_are_told(command: tuple[str, ...], chunk: bytes) -> None:
    answer = response(b"data: " + chunk + b"\n\n")
    with Origin({"/v1/models": MODELS, "/v1/chat/completions": answer}) as origin:
        assert failure(begin(*command, "--url", origin.url("")))[0] == 1


@pytest.mark.parametrize("timings", [b"5", b'{"predicted_n": "many"}', b'{"queue_ms": null}'])
def test_figures_of_another_kind_are_told(timings: bytes) -> None:
    answer = response(b'data: {"choices": [], "timings": ' + timings + b"}\n\ndata: [DONE]\n\n")
    with Origin({"/v1/models": MODELS, "/v1/chat/completions": answer}) as origin:
        status, said = failure(begin(*BENCH, "--url", origin.url("")))
    assert (status, said) == (1, "The service's figures (timings) can't be read.")


@pytest.mark.parametrize("arguments", [(*ASK,), ("bench", "--requests", "1"), ("version",), ("doctor",)])
def test_a_reader_that_leaves_ends_it_as_it_ends_other_programs(
    arguments: tuple[str, ...], server: Server
) -> None:
    where = () if arguments[0] in ("version", "doctor") else ("--url", server.url)
    reader, writer = os.pipe()
    os.close(reader)
    process = begin(*arguments, *where, stdout=writer)
    os.close(writer)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize("arguments", [("version",), ("support-bundle", "--output", "-"), ("doctor",)])
def test_who_has_closed_the_output_gets_none(arguments: tuple[str, ...]) -> None:
    words = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "hailo_vision", *arguments]
    run = subprocess.run(words, env={}, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert run.stderr == ""
    assert run.returncode in (0, 1)


def test_an_error_goes_to_nobody_else_if_its_output_is_closed(tmp_path: Path) -> None:
    """Python prints to standard output instead, and the next file that is opened would take its number."""
    words = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "hailo_vision"]
    words += ["check-config", str(tmp_path / "missing")]
    run = subprocess.run(words, env={}, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (2, "")


@pytest.mark.parametrize("stream", [True, False])
def test_no_text_from_elsewhere_commands_the_terminal(stream: bool) -> None:
    """ESC ] 0 sets a window's title, U+009B does what ESC [ does; a bell rings."""
    text = "a\x1b]0;b\x07c\x9b31m\x08\r\n\td\u200d\u00a0é"
    chunk = {"choices": [{"delta": {"content": text}}]} if stream else {"error": {"message": text}}
    body = response(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
    with Origin({"/v1/models": MODELS, "/v1/chat/completions": body}) as origin:
        printed = begin(*ASK, "--url", origin.url("")).communicate(timeout=60)
    assert printed[0 if stream else 1] == "a]0;bc31m\n\td\u200d\u00a0é\n"


def test_a_process_name_commands_no_terminal() -> None:
    told = doctor.report([Finding("device", "in use by \x1b[2Jx (pid 1)", "stop \x1b[2Jx")])
    assert told == "FAIL  device: in use by [2Jx (pid 1)\n      cure: stop [2Jx"


@both
def test_a_full_disk_is_told(command: tuple[str, ...], server: Server) -> None:
    with Path("/dev/full").open("w") as full:
        process = begin(*command, "--url", server.url, stdout=full.fileno())
    assert failure(process) == (1, "standard output: No space left on device")


@both
def test_no_proxy_stands_between_a_machine_and_itself(command: tuple[str, ...], server: Server) -> None:
    process = begin(*command, "--url", server.url, http_proxy="http://127.0.0.1:9")
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


@both
@pytest.mark.parametrize("proxy", ["nonsense", "http://h:notaport", "socks5://h"])
def test_a_proxy_that_can_not_be_used_is_named_by_its_variable(command: tuple[str, ...], proxy: str) -> None:
    process = begin(*command, "--url", "http://pi.invalid:11435", http_proxy=proxy)
    status, said = failure(process)
    assert (status, "the proxy that http_proxy in the environment names" in said) == (1, True)


def test_a_certificate_that_nobody_signed_is_told_with_the_cure(tmp_path: Path) -> None:
    certificate = issue(tmp_path, "IP:127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.chain, certificate.key)
    with Origin({}, tls) as origin:
        address = ("--url", origin.url(""))
        status, said = failure(begin(*ASK, *address))
        assert (status, "SSL_CERT_FILE=FILE trusts one" in said) == (1, True)
        trusting = failure(begin(*ASK, *address, SSL_CERT_FILE=str(certificate.chain)))
        assert "404" in trusting[1]


@both
def test_a_key_that_no_header_can_hold_is_told(command: tuple[str, ...]) -> None:
    status, said = failure(begin(*command, HAILO_VISION_API_KEY="sk-schlüssel"))
    assert status == 2
    assert said.startswith("HAILO_VISION_API_KEY: ")


@pytest.mark.parametrize("option", ["--clients", "--requests", "--max-tokens"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "\u0663", "9" * 5000])
def test_counts_are_counts(option: str, value: str) -> None:
    process = begin("bench", f"{option}={value}")
    said = process.communicate(timeout=60)[1].splitlines()[-1]
    assert process.returncode == 2
    assert f"argument {option}: expected a whole number of at least 1" in said
