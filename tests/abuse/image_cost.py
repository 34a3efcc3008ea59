"""What one image costs the process that decodes it: `python -m tests.abuse.image_cost FILE`.

The file holds what a client would send: a data URI or base64 text. Printed as JSON: the outcome, the peak of
memory over what the process had before, and for how long the event loop stood still at most.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import PIL.Image

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.loader import ImageLoader, ImageWork

_TICK_SECONDS = 0.001


def _status(name: str) -> int:
    return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024


def _seconds_of_other_threads() -> float:
    return time.process_time() - time.thread_time()


async def _cost(source: str) -> dict[str, str | float]:
    loader = ImageLoader(MediaConfig())
    baseline = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here, proc(5)
    loading = asyncio.create_task(loader.load(source, (336, 336, 3), "image", ImageWork()))
    # With one core for both and the decoder the less favoured, the decoder only works between two ticks for
    # as long as it keeps the loop from ticking, however busy the machine is.
    longest, last = 0.0, _seconds_of_other_threads()
    while not loading.done():
        await asyncio.sleep(_TICK_SECONDS)
        now = _seconds_of_other_threads()
        longest, last = max(longest, now - last), now
    try:
        outcome = f"{(await loading).shape}"
    except RequestError as error:
        outcome = f"{error.kind}"
    return {"outcome": outcome, "peak": _status("VmHWM") - baseline, "hold": longest}


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    source = Path(sys.argv[1]).read_text()
    PIL.Image.init()  # the plugins are loaded once in a process, not once an image
    print(json.dumps(asyncio.run(_cost(source))))


if __name__ == "__main__":
    main()
