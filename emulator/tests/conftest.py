"""A chip of its own for every test: device node, shared state, settings and journal in a fresh folder."""

import gc
import importlib
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

EMULATOR = Path(__file__).resolve().parent.parent
IM_END = "<|im_end|>"


def pytest_collection_finish() -> None:
    """Every VDevice collects garbage first: spare it the hundreds of thousands of objects of all tests."""
    gc.freeze()


def _forget_emulator() -> None:
    # Qwen's ranks depend on no setting and take a moment to read.
    kept = ("hailo_platform._emulator.qwen", "hailo_platform._emulator.vocabulary")
    for name in [name for name in sys.modules if name.split(".")[0] == "hailo_platform"]:
        if name not in kept:
            del sys.modules[name]


def _toml(value: Any) -> str:
    return json.dumps(value)


class Chip:
    """The emulated chip of one test and the package that talks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.device = folder / "hailo0"
        self.device.touch()
        self.settings_file = folder / "settings.toml"
        self.journal_file = folder / "journal.jsonl"
        self.top: dict[str, Any] = {
            "time_scale": 0.0,
            "device": str(self.device),
            "state_dir": str(folder),
            "journal": str(self.journal_file),
        }
        self.set()
        self.hef = self.make_hef()
        self._platform: ModuleType | None = None
        self._open: list[Any] = []

    def set(
        self, *, faults: dict[str, Any] | None = None, timing: dict[str, Any] | None = None, **top: Any
    ) -> None:
        """Write the settings file anew: lasting top-level keys, and exactly these faults and timings."""
        self.top.update(top)
        lines = [f"{key} = {_toml(value)}" for key, value in self.top.items()]
        tables = {"timing": timing or {}, "faults": faults or {}}
        times = tables["faults"].pop("times", {})
        for name, table in {**tables, "faults.times": times}.items():
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        fresh = self.settings_file.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n")
        fresh.rename(self.settings_file)

    def make_hef(self, name: str = "model.hef", **options: Any) -> str:
        """A small stand-in HEF."""
        path = self.folder / name
        from hailo_platform._emulator.heffile import HefInfo, make

        known = {"model": "Qwen2-VL-2B-Instruct", "sdk_version": "5.1.1", "arch": "HAILO10H", "genai": True}
        make(path, HefInfo(**{**known, **options}), 20_000)
        return str(path)

    @property
    def platform(self) -> Any:
        """hailo_platform, imported anew for this test's settings."""
        if self._platform is None:
            _forget_emulator()
            self._platform = importlib.import_module("hailo_platform")
        return self._platform

    def module(self, name: str) -> Any:
        """A module of the package, e.g. "genai" or "_emulator.shared"."""
        assert self.platform
        return importlib.import_module(f"hailo_platform.{name}")

    @property
    def wrapper(self) -> Any:
        """The module in which programs find every exception."""
        return self.module("pyhailort.pyhailort")

    def open_device(self, group: str = "SHARED") -> Any:
        """An open VDevice, closed at the end of the test."""
        params = self.platform.VDevice.create_params()
        params.group_id = group
        device = self.platform.VDevice(params)
        self._open.append(device)
        return device

    def load(self, path: str | None = None, device: Any = None) -> Any:
        """A loaded VLM, released at the end of the test."""
        model = self.module("genai").VLM(device or self.open_device(), path or self.hef)
        self._open.append(model)
        return model

    def close(self) -> None:
        """Release what is open: what a failed test still generates, models, devices."""
        if self._platform is not None:
            self.set(time_scale=0.0)
            for completion in list(self.module("_emulator.completion").alive):
                completion.release()
        for item in reversed(self._open):
            item.release()

    def journal(self, event: str | None = None) -> list[dict[str, Any]]:
        """The journal's entries, or those of one event."""
        if not self.journal_file.exists():
            return []
        entries = [json.loads(line) for line in self.journal_file.read_text().splitlines()]
        return [entry for entry in entries if event in (None, entry["event"])]

    def counters(self) -> dict[str, int]:
        """The machine-wide counters."""
        counters: dict[str, int] = self.module("_emulator.shared").read_state().get("counters", {})
        return counters

    def environment(self) -> dict[str, str]:
        """The environment for another process that uses this chip."""
        return {**os.environ, "PYTHONPATH": str(EMULATOR)}

    def start(self, code: str) -> subprocess.Popen[str]:
        """Run code in another process on the same chip.

        `device(group)`, `load()` and `told(call)`, which names what a call raises, are defined there.
        """
        prelude = f"""
            import os, signal, sys, time
            import numpy as np
            from hailo_platform import VDevice, HailoRTException
            from hailo_platform.genai import VLM
            CHAT = "<|im_start|>user\\nTell me about trains<|im_end|>\\n<|im_start|>assistant\\n"
            def told(call):
                try: call()
                except Exception as e:
                    return ''.join(ch for ch in str(e) if ch.isdigit()) or type(e).__name__
                return 'fine'
            def device(group="SHARED"):
                params = VDevice.create_params()
                params.group_id = group
                return VDevice(params)
            def load():
                return VLM(device(), {self.hef!r})
        """
        program = textwrap.dedent(prelude) + textwrap.dedent(code)
        return subprocess.Popen(
            [sys.executable, "-c", program],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_waiting_in(self, process: "subprocess.Popen[str]", call: str) -> None:
        """Return when the process waits in the kernel, in a call such as "poll" or "futex"."""
        deadline = time.monotonic() + 60
        while call not in Path(f"/proc/{process.pid}/wchan").read_text():
            assert process.poll() is None
            assert time.monotonic() < deadline, f"not in {call}"

    def run(self, code: str) -> str:
        """Run code in another process and return what it prints; it must succeed, only HailoRT may log."""
        process = self.start(code)
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert all(line.startswith("[HailoRT]") for line in error.splitlines()), error
        return out.strip()


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chip]:
    monkeypatch.syspath_prepend(str(EMULATOR))
    for name in [name for name in os.environ if name.startswith("HAILO")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HAILO_EMULATOR_SETTINGS", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("HAILORT_LOGGER_PATH", "NONE")
    monkeypatch.chdir(tmp_path)
    _forget_emulator()
    made = Chip(tmp_path)
    yield made
    made.close()
    _forget_emulator()


@pytest.fixture
def vlm(chip: Chip) -> Any:
    return chip.load()


@pytest.fixture(params=["5.1.1", "5.2.0"])
def version(request: pytest.FixtureRequest, chip: Chip) -> str:
    """Both emulated versions, set before the package is imported."""
    chosen: str = request.param
    chip.set(version=chosen)
    return chosen


Frame = NDArray[np.uint8]


class Pictures:
    """Frames to show."""

    @staticmethod
    def plain(red: int, green: int, blue: int) -> Frame:
        """One colour everywhere."""
        return np.full((336, 336, 3), (red, green, blue), dtype=np.uint8)

    @staticmethod
    def photo(seed: int) -> Frame:
        """Something like a photograph: smooth areas, edges, noise; another for each seed."""
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, (7, 7, 3)).repeat(48, axis=0).repeat(48, axis=1)
        return np.clip(coarse + rng.normal(0, 12, (336, 336, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def pictures() -> Pictures:
    return Pictures()


def user(text: str, images: int = 0) -> dict[str, Any]:
    """A user's message with pictures before the text."""
    return {"role": "user", "content": [{"type": "image"}] * images + [{"type": "text", "text": text}]}


@pytest.fixture(name="user")
def user_fixture() -> Any:
    return user
