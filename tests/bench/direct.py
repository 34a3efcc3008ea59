"""`hailo_platform` with nothing around it, in a process of its own: what the service is measured against.

python -m tests.bench.direct HEF FRAME.npy      reads one JSON object a line, {"prompt", "max_tokens",
                                                "picture", "whole"}, and answers each with a line of figures
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.server import ROOT, Server

# Where this package, what the test suites share, and the emulator are found.
MODULES = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'emulator'}"}


@dataclass(frozen=True)
class Figures:
    """One answer by the bare loop; seconds.

    Attributes:
        first: from the call of generate() to its first piece.
        seconds: from there to the last piece, too.
        rate: pieces a second after the first.
    """

    text: str
    pieces: int
    first: float
    seconds: float
    rate: float


class Direct:
    """The loop, on an emulated device of its own."""

    def __init__(self, files: Server, frame: Path) -> None:
        """files: a service's files, of which only the emulator's settings and the HEF are used."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.direct", str(files.hef), str(frame)],
            env=files.environment() | MODULES,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        self.ask("Hello", 1)

    def ask(self, prompt: str, max_tokens: int, *, picture: bool = False, whole: bool = False) -> Figures:
        """One greedy answer; whole: with the clearing of the context and a tokenize() in its times."""
        assert self._process.stdin
        assert self._process.stdout
        request = {"prompt": prompt, "max_tokens": max_tokens, "picture": picture, "whole": whole}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return Figures(**answer)

    def close(self) -> None:
        """End of input ends it."""
        self._process.communicate(timeout=30)


def main(hef: str, frame_file: str) -> None:
    import numpy as np
    from hailo_platform import VDevice
    from hailo_platform.genai import VLM

    frame = np.load(frame_file)
    with VDevice() as device, VLM(device, hef) as vlm:
        for line in sys.stdin:
            request = json.loads(line)
            content: list[dict[str, str]] = [{"type": "text", "text": request["prompt"]}]
            if request["picture"]:
                content.insert(0, {"type": "image"})
            begun = time.perf_counter()
            vlm.clear_context()
            if request["whole"]:
                vlm.tokenize(request["prompt"])
            else:
                begun = time.perf_counter()
            times, pieces = [], []
            with vlm.generate(
                prompt=[{"role": "user", "content": content}],
                frames=[frame] if request["picture"] else [],
                do_sample=False,
                max_generated_tokens=request["max_tokens"],
            ) as completion:
                for piece in completion:
                    times.append(time.perf_counter() - begun)
                    pieces.append(piece)
            # After the last token comes a recovery sequence, or the token that ended the answer.
            del times[request["max_tokens"] :], pieces[request["max_tokens"] :]
            if pieces[-1].startswith("<|"):
                del times[-1], pieces[-1]
            rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
            figures = Figures("".join(pieces), len(pieces), times[0], times[-1], rate)
            print(json.dumps(vars(figures)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
