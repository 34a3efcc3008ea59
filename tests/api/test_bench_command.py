import json
import os
import subprocess
import sys

from support.pictures import DATA
from support.server import Server


def test_measures_clients_at_once(server: Server) -> None:
    arguments = [
        "--clients",
        "3",
        "--requests",
        "2",
        "--max-tokens",
        "6",
        "--json",
        str(DATA / "chelsea.jpg"),
    ]
    measured = json.loads(_bench(server, *arguments).stdout)
    assert len(measured["answers"]) == 6
    for answer in measured["answers"]:
        assert answer["tokens"] == 6
        assert 0 < answer["first_token"] <= answer["total"]
    assert max(answer["queue"] for answer in measured["answers"]) > 0


def test_prints_a_table(server: Server) -> None:
    output = _bench(server, "--requests", "1", "--prompt", "Hello").stdout
    assert "first token, s" in output
    assert "1 answers with" in output


def test_tells_why_it_failed(server: Server) -> None:
    refused = _bench(server, "--max-tokens", "1", "--prompt", "word " * 5000)
    assert refused.returncode == 1
    assert "maximum context length" in refused.stderr
    unreachable = _bench(server, "--url", "http://127.0.0.1:9")
    assert unreachable.returncode == 1
    assert "refused" in unreachable.stderr


def _bench(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "hailo_vision", "bench", "--url", server.url, *arguments],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
