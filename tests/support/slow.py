"""A service whose emulated NPU takes its time, and what its journal tells."""

from typing import Any

from support.server import Server

TOKEN_SECONDS = 0.05
# Short beside a token: the tests are about what happens while tokens come.
SLOW: dict[str, Any] = {
    "time_scale": 1.0,
    "timing": {
        "token": TOKEN_SECONDS,
        "vdevice_open": 0.01,
        "load": 0.1,
        "frame_encode": 0.02,
        "prefill_chunk": 0.02,
        "clear_context": 0.001,
        "tokenize": 0.001,
    },
}
LONG = {"role": "user", "content": "Describe the sea in detail, at length, everything."}


def generations(server: Server) -> list[tuple[str, bool | None]]:
    """What the NPU began and ended, in order: ("generate", None) and ("release", was it aborted)."""
    return [
        (entry["event"], entry.get("aborted"))
        for entry in server.journal()
        if entry["event"] in ("generate", "release")
    ]


ABORTED = [("generate", None), ("release", True)]
COMPLETE = [("generate", None), ("release", False)]
