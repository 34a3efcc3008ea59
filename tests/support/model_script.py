"""The script that fetches models, run as the unit and the deployment run it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "hailo_model" / "files" / "fetch.py"


class Script:
    """The script with an order of a model of its own folder."""

    def __init__(self, path: Path, **order: Any) -> None:
        self.path = path
        self.order_file = path.parent.parent / "order.json"
        path.parent.mkdir(exist_ok=True)
        self.order: dict[str, Any] = {
            "path": str(path),
            "identity": "v5.1.1/blob/model.hef",
            "runtime": "5.1.1",
        }
        self.change(**order)

    def change(self, **order: Any) -> None:
        """Order something else."""
        self.order |= order
        self.order_file.write_text(json.dumps(self.order))

    def beside(self, suffix: str) -> Path:
        """A file that belongs to the model."""
        return self.path.with_name(f".{self.path.name}.{suffix}")

    @property
    def state(self) -> dict[str, Any]:
        """What is told of the transfer; empty if there is none."""
        path = self.beside("part.json")
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def start(self, verb: str, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Begin one verb."""
        command = [sys.executable, "-EsB", str(SCRIPT), verb, str(self.order_file), *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def run(self, verb: str, *words: str, **options: Any) -> tuple[int, str, str]:
        """Exit status, output and errors of one verb."""
        process = self.start(verb, *words, **options)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def fetch(self) -> str:
        """Fetch the model; what was said of it."""
        status, output, errors = self.run("fetch")
        assert status == 0, output + errors
        return output

    def refusal(self) -> str:
        """The reason for which it is given up."""
        status, output, errors = self.run("fetch")
        assert status == 2, output + errors
        return errors

    def ask(self, verb: str, *words: str) -> Any:
        """The answer of a verb that tells something."""
        status, output, errors = self.run(verb, *words)
        assert status == 0, output + errors
        return json.loads(output.splitlines()[-1])
