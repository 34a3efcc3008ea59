"""`hailo-vision serve` as a process of its own, on a free port, with the emulated NPU."""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).parents[2]
MODEL = "qwen2-vl-2b-instruct"
HEF = "Qwen2-VL-2B-Instruct.hef"

# The sockets become descriptors 3 and 4, and the environment names the process that may take them.
_AS_SYSTEMD_DOES = """
import fcntl, os, sys
copies = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1].split(",")]
for number, copy in enumerate(copies, 3):
    os.dup2(copy, number)
os.environ.update(LISTEN_FDS=str(len(copies)), LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Server:
    """A running service and the emulated device under it.

    Attributes:
        url: where it listens; `api` is the same with /v1, as SDKs want it.
        http: a client of it.
        extra_environment: what the service finds in its environment besides.
        listener: a listening socket that the service inherits, as from a socket unit; second_listener is
            another one.
        stderr: where it writes its log instead of a file.
        python: the words that start its Python.
    """

    def __init__(
        self,
        directory: Path,
        config: dict[str, Any] | None = None,
        emulator: dict[str, Any] | None = None,
        faults: dict[str, Any] | None = None,
        *,
        hef: bool = True,
    ) -> None:
        """Write the files; nothing runs before start().

        Args:
            config: sections of the operator's file.
            emulator, faults: settings of the emulator; by default it takes no time.
            hef: whether there is a model file.
        """
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.url}/v1"
        # Without the certificate authorities, as the reading of them takes longer than a request.
        self.http = httpx.Client(base_url=self.url, timeout=30, verify=False)
        self.config_file = directory / "config.yaml"
        self._log = directory / "log"
        self._emulator = {
            "time_scale": 0.0,
            "device": str(directory / "hailo0"),
            "state_dir": str(directory / "state"),
            "journal": str(directory / "journal.jsonl"),
            **(emulator or {}),
        }
        self._timing = self._emulator.pop("timing", {})
        for name in ("state", "resources"):
            (directory / name).mkdir(parents=True)
        (directory / "hailo0").touch()
        self.inject(**(faults or {}))
        if hef:
            self.make_hef()
        self.configure(config or {})
        self.process: subprocess.Popen[bytes] | None = None
        self.extra_environment: dict[str, str] = {}
        self.listener: socket.socket | None = None
        self.second_listener: socket.socket | None = None
        self.stderr: int | None = None
        self.python = [sys.executable]

    @property
    def hef(self) -> Path:
        return self.directory / "resources" / HEF

    def make_hef(self, **options: str) -> None:
        """Write the stand-in model file; options are those of the emulator's maker."""
        arguments = [
            word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)
        ]
        self.hef.write_bytes(stand_in(*arguments))

    def configure(self, sections: dict[str, Any]) -> None:
        """Write the operator's file: the given sections over what the test needs."""
        config: dict[str, Any] = {
            "server": {"host": "127.0.0.1", "port": self.port},
            "model": {"resources_dir": str(self.directory / "resources")},
            "npu": {"device_nodes": [self._emulator["device"]]},
        }
        for name, values in sections.items():
            config[name] = {**config.get(name, {}), **values}
        self.config_file.write_text(yaml.safe_dump(config))

    def inject(self, **faults: Any) -> None:
        """Switch faults of the emulator on or off, also while it runs; `times` counts them."""
        lines = [f"{key} = {json.dumps(value)}" for key, value in self._emulator.items()]
        tables = {"timing": self._timing, "faults.times": faults.pop("times", {}), "faults": faults}
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        new = self.directory / "emulator.toml.new"
        new.write_text("\n".join(lines) + "\n")
        new.replace(self.directory / "emulator.toml")

    def start(self, *, wait: bool = True, seconds: float = 30) -> "Server":
        """Start the service; unless told otherwise, wait until it is ready, so many seconds at most."""
        command = [*self.python, "-m", "hailo_vision", "serve", "--config", str(self.config_file)]
        listeners = [one.fileno() for one in (self.listener, self.second_listener) if one]
        if listeners:
            command = [sys.executable, "-c", _AS_SYSTEMD_DOES, ",".join(map(str, listeners)), *command]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment() | self.extra_environment,
                pass_fds=listeners,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stderr=log if self.stderr is None else self.stderr,
                stdout=log,
            )
        if wait:
            self.wait_for(lambda: self.http.get("/health/ready").status_code == 200, seconds)
        else:
            self.wait_for(lambda: self.http.get("/health").status_code == 200, seconds)
        return self

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stop it; returns the exit status."""
        assert self.process
        self.process.send_signal(signal_number)
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def close(self) -> None:
        self.http.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def health(self) -> dict[str, Any]:
        return dict(self.http.get("/health").json())

    def chat(self, *messages: dict[str, Any], **fields: Any) -> httpx.Response:
        """POST /v1/chat/completions with the served model; greedy unless the fields say otherwise."""
        body = {"model": MODEL, "messages": messages, "temperature": 0, **fields}
        return self.http.post("/v1/chat/completions", json=body)

    def answer(self, *messages: dict[str, Any], **fields: Any) -> str:
        """The text of a chat that must succeed."""
        response = self.chat(*messages, **fields)
        assert response.status_code == 200, response.text
        return str(response.json()["choices"][0]["message"]["content"])

    def log(self) -> str:
        """The log up to now; a line may come a moment after what it tells of."""
        text, before = self._log.read_text(), None
        while text != before:
            time.sleep(0.05)
            text, before = self._log.read_text(), text
        return text

    def journal(self) -> list[dict[str, Any]]:
        """What the emulated NPU saw, event by event."""
        path = Path(self._emulator["journal"])
        return [json.loads(line) for line in path.read_text().split("\n") if line] if path.exists() else []

    def forget(self) -> None:
        """Begin a new journal; the NPU must be idle."""
        Path(self._emulator["journal"]).unlink(missing_ok=True)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until a condition holds; a service that is not listening yet does not count as failed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process and self.process.poll() is not None:
                raise AssertionError(f"the service ended with {self.process.returncode}:\n{self.log()}")
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"nothing happened within {seconds} s:\n{self.log()}")

    def environment(self) -> dict[str, str]:
        """In which a program meets this server's emulated device."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HAILO_")}
        return {
            **inherited,
            "PYTHONPATH": str(ROOT / "emulator"),
            "HAILO_EMULATOR_SETTINGS": str(self.directory / "emulator.toml"),
            "HAILORT_LOGGER_PATH": str(self.directory),
        }


@functools.cache
def stand_in(*arguments: str) -> bytes:
    """A stand-in model file, made once for the arguments of the emulator's maker."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / HEF
        subprocess.run(
            [sys.executable, "-m", "hailo_platform._emulator.hef", "make", path, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "emulator")},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return path.read_bytes()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
