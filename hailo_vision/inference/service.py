"""The service without HTTP: a request's pictures and prompt are prepared, queued, and generated."""

import asyncio
import contextlib
import ctypes
import gc
import hashlib
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

from hailo_vision.config import Config
from hailo_vision.durations import parse_keep_alive
from hailo_vision.errors import InvalidRequest, NotFound, Unavailable
from hailo_vision.http.openai.request_types import GenerationFields
from hailo_vision.images.decode import Frame, decode_inline, is_link, to_frame
from hailo_vision.inference.conversation import (
    Conversation,
    ImageSource,
    check_frame_count,
    check_length,
    max_tokens_of,
    sampling_of,
)
from hailo_vision.inference.generation import Generation, MediaWork
from hailo_vision.inference.prompt import PromptTemplate
from hailo_vision.inference.scheduler import Scheduler, unavailable
from hailo_vision.npu.process import Prompt
from hailo_vision.npu.protocol import ModelInfo
from hailo_vision.npu.supervisor import Supervisor

if TYPE_CHECKING:
    from hailo_vision.images.fetch import Fetcher

# One core is left to the event loop, and more decoders would be no faster than the NPU needs.
_DECODERS = max(1, min(2, len(os.sched_getaffinity(0)) - 1))
_DECODER_NICENESS = 10
# For so long a decoder's Python code may keep the event loop waiting; 5 ms by default.
_SWITCH_SECONDS = 0.0002
_M_MMAP_THRESHOLD = -3  # malloc.h
# More than a socket gives at once (256 KB): to fetch such a buffer anew each time costs more than filling it.
_LARGE_BYTES = 320 * 1024


class Service:
    """Everything that answers, put together from a configuration; start() and stop() bound its life."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.supervisor = Supervisor(config)
        self.scheduler = Scheduler(self.supervisor, config.server, config.model.keep_alive_seconds)
        self._decoders = ThreadPoolExecutor(_DECODERS, "media", _yield_to_others)
        self._fetcher: Fetcher | None = None

    def start(self) -> None:
        _give_back_large_blocks()
        sys.setswitchinterval(_SWITCH_SECONDS)
        # What stands now stays: collections need not go through it, which holds up everything.
        gc.freeze()
        self.supervisor.start()
        self.scheduler.start()

    async def stop(self) -> None:
        """Let the running generation finish within the configured time, then release the NPU."""
        await self.scheduler.stop(self.config.server.shutdown_timeout)
        await self.supervisor.stop()
        self._decoders.shutdown(wait=False, cancel_futures=True)
        if self._fetcher:
            self._fetcher.close()

    @property
    def model(self) -> ModelInfo:
        """What the model said of itself when it was last loaded.

        Raises:
            Unavailable: it never was.
        """
        if self.supervisor.model is None:
            raise unavailable(self.supervisor)
        return self.supervisor.model

    def unready_reason(self) -> str | None:
        """Why a request would not be answered now; None if it would."""
        try:
            self.scheduler.admit(bounded=False)
        except Unavailable as error:
            return error.message
        return None

    def check_model(self, name: str | None) -> None:
        """Raises:
        NotFound: the request names a model that is not served here.
        """
        model = self.config.model
        if name is not None and name != model.name and name not in model.aliases:
            raise NotFound(
                f"The model {name[:80]!r} does not exist; this service has "
                f"{', '.join(map(repr, (model.name, *model.aliases)))}.",
                code="model_not_found",
                param="model",
            )

    def generate(
        self,
        conversation: Conversation,
        fields: GenerationFields,
        param: str,
        client: str,
        *,
        bounded: bool = True,
    ) -> Generation:
        """Queue a conversation for the model.

        Args:
            param: the request field that holds the pictures, for messages.
            client: whose context may be reused and kept.
            bounded: False lets an admitted request queue further generations past the queue's size.

        Raises:
            InvalidRequest: too many pictures, or a keep_alive that is no duration.
            QueueFull, Unavailable: the request can't be queued.
        """
        self.scheduler.admit(bounded=bounded)
        keep_alive = _keep_alive(fields.keep_alive)
        model = self.model
        check_frame_count(len(conversation.images), model, param)
        check_length(conversation, model)
        media = MediaWork(len(conversation.images))
        position = self.scheduler.waiting + self.scheduler.running
        job = self.scheduler.submit(self._prepare(conversation, fields, model, client, media), keep_alive)
        stop = [fields.stop] if isinstance(fields.stop, str) else fields.stop or []
        return Generation(job, stop, media, position)

    async def _prepare(
        self,
        conversation: Conversation,
        fields: GenerationFields,
        model: ModelInfo,
        client: str,
        media: MediaWork,
    ) -> Prompt:
        shape = model.frame_shape
        frames = await asyncio.gather(*(self._frame(image, shape, media) for image in conversation.images))
        sampling = sampling_of(fields, self.config.generation)
        return Prompt(
            text=_template(model.prompt_template).render(conversation.turns),
            frames=[frame.data.cast("B") for frame in frames],
            sampling=sampling,
            max_tokens=max_tokens_of(fields, self.config.generation),
            context_key=client if self.config.model.context_reuse else None,
        )

    async def _frame(self, image: ImageSource, shape: tuple[int, int, int], media: MediaWork) -> Frame:
        limits = self.config.media
        data: bytes | None = None
        if is_link(image.text):
            started = time.monotonic()
            data = await self._links().get(image.text.strip(), image.param)
            media.fetch_seconds += time.monotonic() - started

        def decode() -> Frame:
            started = time.monotonic()
            try:
                source = decode_inline(image.text, image.param, limits) if data is None else data
                return to_frame(source, shape, image.param, limits)
            finally:
                media.decode_seconds += time.monotonic() - started

        return await asyncio.get_running_loop().run_in_executor(self._decoders, decode)

    def _links(self) -> "Fetcher":
        """Made when the first link comes: many services never see one, and its libraries take memory."""
        if self._fetcher is None:
            from hailo_vision.images.fetch import Fetcher

            self._fetcher = Fetcher(self.config.media)
        return self._fetcher


def _yield_to_others() -> None:
    """Let the calling thread's pictures wait for the event loop and the NPU process, not these for them."""
    # Where a sandbox forbids it, pictures are decoded all the same.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _DECODER_NICENESS)


def _give_back_large_blocks() -> None:
    """Fix glibc's limit above which freed memory returns to the system: left alone it grows to 32 MB with
    the pictures, which then stay in the heap (mallopt(3))."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


@lru_cache(maxsize=4)
def _template(source: str) -> PromptTemplate:
    return PromptTemplate(source)


def client_key(credential: str) -> str:
    """A client's identity for context reuse, from which its credential can't be read."""
    return hashlib.sha256(credential.encode(errors="surrogateescape")).hexdigest()


def _keep_alive(value: float | str | None) -> float | None:
    if value is None:
        return None
    try:
        return parse_keep_alive(value)
    except ValueError as error:
        raise InvalidRequest(f"Invalid 'keep_alive': {error}.", param="keep_alive") from error
