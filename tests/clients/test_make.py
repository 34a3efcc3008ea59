"""What make's commands say when they can't: one sentence with the cure."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def tool(name: str, *words: str, **environment: str) -> tuple[int, str]:
    """Run one of the scripts that the Makefile calls; return its status and what it says."""
    done = subprocess.run(
        ["sh", f"tests/tools/{name}", *words],
        cwd=TOP, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("port", ["abc", "99999", "-1", "0", ""])
def test_serve_wants_a_port(port: str) -> None:
    status, said = tool("serve.sh", sys.prefix, port)
    assert (status, said) == (1, f"PORT must be a whole number from 1 to 65535, not {port!r}.\n")


def test_serve_on_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = tool("serve.sh", sys.prefix, str(port))
    assert status == 1
    assert said.startswith(f"PORT={port} can't be had (Address already in use): choose another")


def test_a_python_without_venv(tmp_path: Path) -> None:
    status, said = tool("venv.sh", str(tmp_path / "venv"), PYTHON=str(tmp_path / "none"))
    assert status == 1
    assert "sudo apt-get install python3-venv" in said


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$*" in *version_info*) echo 3.9 ;; esac\n')
    old.chmod(0o755)
    status, said = tool("venv.sh", str(tmp_path / "venv"), PYTHON=str(old))
    assert status == 1
    assert "is Python 3.9, and 3.11 to 3.13 are supported: say PYTHON=" in said
