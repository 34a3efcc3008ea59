"""Images for the model: fetched if they are links, decoded on threads of their own."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images.decode import Frame, to_frame
from hailo_vision.images.fetch import Fetcher
from hailo_vision.images.inline import decode_inline, is_link
from hailo_vision.tuning import run_in_background

# One core is left to the event loop, and more decoders would be no faster than the NPU needs.
_DECODERS = max(1, min(2, len(os.sched_getaffinity(0)) - 1))
# Over all requests. What is fetched takes memory until it is decoded, which is slower.
_LINKS_AT_ONCE = 8


@dataclass
class ImageWork:
    """What getting a request's images took, in seconds of work; also of those that failed.

    Attributes:
        images: how many; left_out: how many more the request had.
    """

    images: int = 0
    left_out: int = 0
    fetch_seconds: float = 0.0
    decode_seconds: float = 0.0


class ImageLoader:
    """Makes frames of what requests name."""

    def __init__(self, config: MediaConfig) -> None:
        self._config = config
        self._fetcher = Fetcher(config)
        self._turn = asyncio.Semaphore(_LINKS_AT_ONCE)
        self._free = asyncio.Semaphore(_DECODERS)
        self._decoders = ThreadPoolExecutor(_DECODERS, "images", run_in_background)

    async def load(self, source: str, shape: tuple[int, int, int], where: str, work: ImageWork) -> Frame:
        """The frame of one image.

        Args:
            source: a data URI, base64 text, or a link.
            shape: (height, width, 3) of the frame: uint8 RGB.
            where: the part of the request that names it, for errors.
            work: what it took is added here.

        Raises:
            RequestError: the image can't be fetched, or is not an image.
        """

        def decode(fetched: bytes | None = None) -> Frame:
            started = time.monotonic()
            try:
                data = decode_inline(source, self._config) if fetched is None else fetched
                return to_frame(data, shape, self._config)
            finally:
                work.decode_seconds += time.monotonic() - started

        try:
            if not is_link(source):
                return await self._on_thread(decode)
            async with self._turn:
                started = time.monotonic()
                try:
                    fetched = await self._fetcher.get(source.strip())
                finally:
                    work.fetch_seconds += time.monotonic() - started
                return await self._on_thread(partial(decode, fetched))
        except RequestError as error:
            error.where = where
            raise

    async def _on_thread(self, decode: Callable[[], Frame]) -> Frame:
        """Decode when a thread is free: in the threads' own queue, images would stay whose clients left."""
        await self._free.acquire()
        work = asyncio.get_running_loop().run_in_executor(self._decoders, decode)
        work.add_done_callback(lambda _: self._free.release())
        return await asyncio.shield(work)  # a thread that has begun is not free before it is done
