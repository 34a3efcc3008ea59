"""What a support bundle holds, and what it must not."""

import argparse
import io
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.server import ROOT, Server

from hailo_vision.cli import support_bundle
from hailo_vision.cli.client import Failed

KEY = "sk-of-the-kitchen"
PEM = "-----BEGIN PRIVATE KEY-----\nTUlJQmFzZTY0b2ZhcHJpdmF0ZWtleQ==\n-----END PRIVATE KEY-----"
# What hailortcli says of the chip's own log.
HAILORTCLI = '#!/bin/sh\necho "$@ logger=$HAILORT_LOGGER_PATH"\n'


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"key {KEY}!", "key (secret)!"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer (secret)"),
        ("Authorization: Basic YTpi", "Authorization: Basic (secret)"),
        ("url: https://me:pass@files.example/x.hef", "url: https://(secret)@files.example/x.hef"),
        ("url: https://files.example/x.hef?sig=1&b=2", "url: https://files.example/x.hef?(secret)"),
        ("Environment=HF_TOKEN=abc", "Environment=HF_TOKEN=(secret)"),
        ('"api_key": "abc"', '"api_key": (secret)'),
        (f"before\n{PEM}\nafter", "before\n(secret)\nafter"),
        (PEM[:-30], "(secret)"),
        ("max_tokens: 200", "max_tokens: 200"),
        ("hailo_vision_prompt_tokens_total 12.0", "hailo_vision_prompt_tokens_total 12.0"),
    ],
)
def test_secrets_are_cut_out_and_nothing_else(text: str, left: str) -> None:
    assert support_bundle.cut_out(text, [KEY[:10], KEY]) == left


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """The folder of the logs is the service's, which may have been broken into."""
    (tmp_path / "of-root").write_text("root:$6$")
    folder = tmp_path / "state"
    (folder / "folder.log").mkdir(parents=True)
    (folder / "hailort.log").write_text("as it is")
    (folder / "link.log").symlink_to(tmp_path / "of-root")
    os.mkfifo(folder / "fifo.log")
    large = 3 * support_bundle._LARGEST_FILE
    (folder / "large.log").write_text("x" * large + "the end")
    logs = support_bundle.logs_in(folder)
    assert {name: text for name, text in logs.items() if name != "large.log"} == {
        "fifo.log": "(no regular file)\n",
        "folder.log": "(Is a directory)\n",
        "hailort.log": "as it is",
        "link.log": "(Too many levels of symbolic links)\n",
    }
    assert logs["large.log"].endswith("the end")
    assert len(logs["large.log"]) == support_bundle._LARGEST_FILE


def bundle(server: Server, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command where a hailortcli of the test's own is."""
    programs = server.directory / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "hailortcli").write_text(HAILORTCLI)
    (programs / "hailortcli").chmod(0o755)
    environment = server.environment()
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'emulator'}"
    return subprocess.run(
        [sys.executable, "-m", "hailo_vision", "support-bundle", "--config", server.config_file, *arguments],
        env=environment,
        cwd=programs,
        capture_output=True,
        check=False,
        timeout=120,
    )


def members(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        files = {entry.name: opened.extractfile(entry) for entry in opened}
        return {name: file.read().decode() for name, file in files.items() if file}


def test_it_tells_how_a_service_is(make_server: Callable[..., Server], tmp_path: Path) -> None:
    keys = (KEY, "(of-the-hall)")
    text = "\n".join(["# of the kitchen", *keys, "hall"])  # the last is too short to be told from other words
    (tmp_path / "keys").write_text(text, encoding="utf-8-sig")  # as Windows does
    server = make_server(config={"auth": {"keys_file": str(tmp_path / "keys")}})
    server.config_file.write_text(server.config_file.read_text() + f"# {keys}\n")
    server.start()
    done = bundle(server, "--output", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    found = members(done.stdout)
    named = "chip doctor journal kernel memory metrics packages properties state storage units versions"
    assert set(found) >= {"configuration.yaml", "health.json", *(f"{name}.txt" for name in named.split())}
    assert f"port: {server.port}" in found["configuration.yaml"]
    assert "(secret)" in found["configuration.yaml"]
    assert '"state":"ready"' in found["health.json"]
    assert "hailo_vision_model_loaded 1" in found["metrics.txt"]
    assert "state ready" in found["doctor.txt"]
    assert found["chip.txt"] == "(not asked, as the service is ready)\n"
    assert "hailo-vision: " in found["versions.txt"]
    assert [name for name, text in found.items() if any(key in text for key in keys)] == []


def test_it_works_without_a_service_and_without_a_valid_file(make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.config_file.write_text("port: 1\n")
    done = bundle(server)
    assert done.returncode == 0
    path = server.directory / "programs" / done.stdout.decode().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    found = members(path.read_bytes())
    assert "port: unknown key" in found["doctor.txt"]
    assert "logs runtime logger=NONE" in found["chip.txt"]
    again = bundle(server, "--output", str(path))
    assert (again.returncode, again.stdout) == (1, b"")
    assert again.stderr.decode() == f"{path}: File exists\n"


def test_a_bundle_that_can_not_be_written_whole_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bundle.tar.gz"
    monkeypatch.setattr(support_bundle, "collect", lambda *_: {"noise.txt": os.urandom(50_000).hex()})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setenv("HAILORT_LOGGER_PATH", "")  # the command sets it
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(Failed, match="File too large"):
            support_bundle.support_bundle(argparse.Namespace(config=None, lines=1, output=str(path)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not path.exists()
