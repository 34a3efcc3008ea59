"""The steps of a qualification, in their order."""

import contextlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hailo_vision import config
from hailo_vision.cli import tools
from hailo_vision.cli.client import Failed
from hailo_vision.cli.qualify import host
from hailo_vision.cli.qualify.chip import Chip, memory_of
from hailo_vision.cli.qualify.report import Values
from hailo_vision.npu.model_file import ModelFile
from hailo_vision.npu.protocol import Load

_LOADS = 5
_LATER_LOADS = 3  # for the measurements, of a second process, and of the service


class Session:
    """What the steps share: the settings, and the chip with the model loaded.

    After a failure, the next step that needs the chip loads the model again. If that fails as well, all
    further steps fail with the same cause.
    """

    def __init__(self, settings: config.Config) -> None:
        self.settings = settings
        self._chip: Chip | None = None
        self._lost = ""

    @property
    def model(self) -> Path:
        """Raises:
        Failed: there is no model file.
        """
        path = ModelFile(self.settings.model).path
        if not path.exists():
            raise Failed(f"There is no model file: {path}")
        return path

    def load(self, chip: Chip) -> float:
        """Seconds that it took."""
        npu = self.settings.npu
        order = Load(str(self.model), npu.device_group, npu.device_nodes)
        return float(chip.call("load", order, seconds=self.settings.model.load_timeout)["seconds"])

    def measure(self, name: str, *arguments: object) -> Values:
        """A step of the loaded model."""
        chip = self.chip()
        try:
            return chip.call(name, *arguments)
        except Failed:
            self.close()
            raise

    def chip(self) -> Chip:
        """The process with the loaded model."""
        if self._lost:
            raise Failed(f"Not tried, as the model could not be loaded: {self._lost}")
        if not self._chip:
            self._chip = Chip()
            try:
                check_cma()
                self.load(self._chip)
            except Failed as error:
                self._lost = str(error)
                self.close()
                raise
        return self._chip

    def close(self) -> None:
        chip, self._chip = self._chip, None
        if chip:
            chip.close()


def check_cma(kept: int = 0) -> None:
    """Refuse a load that might leave none to the service.

    Args:
        kept: MB that each load so far has not given back.

    Raises:
        Failed: with what is free.
    """
    amounts = tools.meminfo()
    free = amounts.get("CmaFree", 0)
    wanted = tools.MIN_CMA_MB + _LATER_LOADS * kept
    if amounts.get("CmaTotal") and free < wanted:
        raise Failed(f"{free} MB of CMA are free, but a load needs {wanted} MB: reboot.")


def _loads(session: Session) -> Values:
    """Cold, then warm; each by a process of its own."""
    host.forget(session.model)
    seconds: list[float] = []
    before = _free_cma()
    used = kept = 0
    for number in range(_LOADS):
        check_cma(kept)
        with contextlib.closing(Chip()) as chip:
            start = _free_cma()
            seconds.append(session.load(chip))
            used = max(used, start - _free_cma())
            chip.call("unload")
        kept = max(kept, (before - _free_cma()) // (number + 1))
    return {
        "cold (s)": seconds[0],
        "warm (s)": round(statistics.median(seconds[1:]), 3),
        "each (s)": seconds,
        "CMA taken by a loaded model (MB)": used,
        "CMA kept after all (MB)": before - _free_cma(),
        "CMA free (MB)": tools.meminfo().get("CmaFree", "this kernel has none"),
    }


def _free_cma() -> int:
    return tools.meminfo().get("CmaFree", 0)


def _second_process(session: Session) -> Values:
    """Another process loads the model while the first has it."""
    session.chip()
    check_cma()
    try:
        with contextlib.closing(Chip()) as second:
            outcome = f"loads the model in {session.load(second)} s"
    except Failed as error:
        outcome = f"is refused: {error}"
    seconds = session.measure("first_token", 0)["0 pictures, seconds"]
    return {"a second process": outcome, "the first one goes on": f"first token after {seconds} s"}


def _memory(session: Session) -> Values:
    return {f"NPU process of this run, {name}": mb for name, mb in memory_of(session.chip().pid).items()}


def _measured(name: str, *arguments: object) -> Callable[[Session], Values]:
    return lambda session: session.measure(name, *arguments)


@dataclass(frozen=True)
class Step:
    """A part of the report; intent says what it will do, before it does it."""

    name: str
    intent: str
    run: Callable[[Session], Values]


STEPS = (
    Step("versions", "Ask for the versions of everything.", lambda _: host.versions()),
    Step("board", "Look at processors, memory, boot settings and the PCIe link.", lambda _: host.board()),
    Step("driver log", "Read the driver's lines in the kernel's log.", lambda _: host.driver_log()),
    Step(
        "device",
        "Look at the device node and its udev rules.",
        lambda session: host.device(session.settings.npu.device_nodes),
    ),
    Step("heat before", "Read temperature and throttling.", lambda _: host.heat()),
    Step(
        "storage",
        "Read 256 MB of the model file from the storage.",
        lambda session: host.storage(session.model),
    ),
    Step("model file", "Read all of the model file.", lambda session: host.model_file(session.model)),
    Step("loads", "Load and unload the model five times, the first time cold.", _loads),
    Step("model", "Load the model and ask it for its template and parameters.", _measured("model")),
    Step("first token", "Ask about 0, 1, 5 and 10 pictures.", _measured("first_token", 0, 1, 5, 10)),
    Step("speed", "Have a long answer generated.", _measured("speed")),
    Step("abort", "Abort in encoding, in prefill and in decoding.", _measured("abort")),
    Step("equality", "Compare answers with prefix reuse and prefill in parts.", _measured("equality")),
    Step("context", "Fill the context, and more than fill it.", _measured("context")),
    Step("saved context", "Save the context and load it again.", _measured("saved_context")),
    Step("bindings", "Look at the Python bindings.", _measured("bindings")),
    Step("memory", "Read what the process takes that holds the chip.", _memory),
    Step("second process", "Load the model in a second process.", _second_process),
    Step("poison", "Send a frame too many, and try to drain it.", _measured("poison")),
    Step("heat after", "Read temperature and throttling again.", lambda _: host.heat()),
)
