"""What one image costs the process that decodes it."""

import asyncio
import os
import time
from pathlib import Path

import PIL.Image

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.loader import ImageLoader, ImageWork

_TICK_SECONDS = 0.001
PIL.Image.init()  # the plugins are loaded once in a process, not once an image


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


def cost(file: Path) -> dict[str, str | float]:
    """What a client's image costs this process, which must not have decoded another one.

    Args:
        file: what the client would send: a data URI or base64 text.

    Returns:
        The `outcome`; `peak`, the most memory over what the process had before (bytes); `hold`, for how long
        the event loop stood still at most (seconds).
    """
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return asyncio.run(_cost(file.read_text()))
