"""On a Pi's processor: the wheels that a Pi gets, in its Debian, under qemu."""

import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import userland
from support.modules import TOP, load
from support.pictures import photo, user
from support.server import Server

LOCK = TOP / "roles/hailo_vision/files/requirements.lock"
QUESTION = "What is in this picture?"
# Suites with their Python and C library.
SUITES = [("trixie", "3.13", "2.41"), ("bookworm", "3.11", "2.36")]
EFAULT = "Bad address"
# Qwen's own tokens come with the tests' requirements, which a Pi has not.
EMULATOR = {"tokens": "stand-in"}


@pytest.fixture(params=SUITES, ids=[suite for suite, _, _ in SUITES])
def debian(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """One of the suites."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def python(tmp_path: Path, debian: tuple[str, str, str]) -> list[str]:
    """The Python of a virtual environment there, with the release in it."""
    suite, python, glibc = debian
    run = userland.command(userland.ensure(suite), tmp_path)
    venv = tmp_path / "venv"
    subprocess.run(
        [*run, "/usr/bin/python3", "-I", "-m", "venv", "--without-pip", "--system-site-packages", str(venv)],
        env=os.environ | userland.ENVIRONMENT, check=True,
    )  # fmt: skip
    wheelhouse = load("plugins/action/hailo_wheelhouse.py", "wheelhouse_for_aarch64")
    kind: dict[str, Any] = {"python": python, "machine": "aarch64", "glibc": glibc}
    result = wheelhouse.collect({"source": str(TOP), "lock": str(LOCK), "dest": str(tmp_path), **kind})
    wheels = tmp_path / "wheels"
    with tarfile.open(result["archive"]) as archive:
        archive.extractall(wheels, filter="data")
    # By this machine's pip with the tags of that one: its own takes minutes under qemu.
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-index", f"--find-links={wheels}"]
    pip += ["--require-hashes", "--no-deps", "--no-compile", f"--requirement={wheels / 'requirements.lock'}"]
    pip += ["--ignore-requires-python", f"--python-version={python}"]
    pip += ["--only-binary=:all:", "--implementation=cp"]
    pip += [f"--platform={name}" for name in wheelhouse.platforms("aarch64", glibc)]
    subprocess.run([*pip, f"--target={venv}/lib/python{python}/site-packages"], check=True)
    return [*run, "-w", str(tmp_path), f"{venv}/bin/python3"]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Server]:
    """The service on this machine's processor."""
    server = Server(tmp_path / "here", emulator=EMULATOR)
    yield server.start()
    server.close()


@pytest.fixture
def there(tmp_path: Path, python: list[str]) -> Iterator[Server]:
    """The service on a Pi's processor."""
    server = Server(tmp_path / "there", {"model": {"load_timeout": 600}}, EMULATOR)
    server.python = python
    server.extra_environment = userland.ENVIRONMENT
    server.http.timeout = 300
    yield server
    if server.process and server.process.poll() is None:
        stop_below(server.process)
    server.close()


def stop_below(proot: subprocess.Popen[bytes]) -> None:
    """Let the service end, and proot with it: what proot runs would outlive it."""
    for child in Path(f"/proc/{proot.pid}/task/{proot.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGTERM)
    assert proot.wait(120) == 0


def start(server: Server) -> None:
    """Start the service there until it is ready.

    Of very many processes under qemu 7.2 there is one that can start no program, however often it tries:
    execve() says EFAULT. Another process can.
    """

    def settled() -> bool:
        return EFAULT in server.log() or server.http.get("/health/ready").status_code == 200

    for _ in range(3):
        (server.directory / "log").unlink(missing_ok=True)
        server.start(wait=False, seconds=600)
        server.wait_for(settled, 600)
        if EFAULT not in server.log():
            return
        assert server.process
        stop_below(server.process)
    raise AssertionError(server.log())


def test_the_wheels_of_a_pi_serve_on_its_processor_and_answer_as_here(
    debian: tuple[str, str, str], here: Server, there: Server
) -> None:
    kind = [*there.python, "-c", "import platform; print(platform.machine(), platform.python_version())"]
    environment = os.environ | userland.ENVIRONMENT
    said = subprocess.run(kind, env=environment, check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"aarch64 {debian[1]}.")
    start(there)
    assert there.answer(user(photo("chelsea"), QUESTION)) == here.answer(user(photo("chelsea"), QUESTION))
