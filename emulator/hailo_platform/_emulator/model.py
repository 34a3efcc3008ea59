"""A model loaded on the chip, as the native module's VLM object offers it.

Follows libhailort/src/genai/vlm/vlm.cpp of hailo-ai/hailort (client side). Every method raises the native
status exception; the Python wrapper translates it, except for the constructor.
"""

import hashlib
import os
import signal
import weakref
from collections.abc import Sequence
from pathlib import Path

from hailo_platform._emulator import clock, context_blob, faults, heffile, log, server, transfer
from hailo_platform._emulator.completion import Completion
from hailo_platform._emulator.device import Claim, KvCacheClaim
from hailo_platform._emulator.engine import EmulatedEngine, Engine
from hailo_platform._emulator.errors import EmulatorAssertion, Status, failure
from hailo_platform._emulator.heffile import HefInfo
from hailo_platform._emulator.journal import record
from hailo_platform._emulator.kinds import kind_of
from hailo_platform._emulator.sampler import Params
from hailo_platform._emulator.session import MAX_FRAMES_511, Session
from hailo_platform._emulator.settings import settings
from hailo_platform._emulator.shared import count, update_state
from hailo_platform._emulator.template import ChatTemplate


class LoadedModel:
    """The native VLM: constructing it loads the model, deleting it unloads it."""

    def __init__(self, claim: Claim, model_path: str, optimize_memory_on_device: bool) -> None:
        self._claim: Claim | None = None
        self._kv: KvCacheClaim | None = None
        self._live: weakref.ref[Completion] | None = None
        self._generations = 0
        record("load_begin", path=model_path)
        try:
            self._load(claim, model_path, optimize_memory_on_device)
        except BaseException as error:
            self.release()
            record("load_failed", status=str(error))
            raise
        engine = self.session.engine
        record("loaded", path=model_path, engine=engine.identity, tokens=engine.tokens)

    def _load(self, claim: Claim, model_path: str, optimize_memory_on_device: bool) -> None:
        current = settings()
        self._version = current.version_tuple()
        real = (Path(model_path) / "config.json").is_file()
        if not real and model_path and not Path(model_path).exists():
            raise failure(Status.OPEN_FILE_FAILURE)
        if optimize_memory_on_device:
            raise failure(Status.NOT_IMPLEMENTED)
        server.refuse_while_away()
        if server.is_gone(claim.incarnation):
            raise failure(Status.COMMUNICATION_CLOSED)
        self._inject_load_faults()
        info = None if real else heffile.check(model_path, self._version)
        if self._version >= (5, 2):
            self._kv = KvCacheClaim()
        self._count_load()
        claim.retain()
        self._claim = claim
        engine = _cpu_engine(model_path) if info is None else _emulated_engine(model_path, info)
        if info is not None:
            transfer.send(current, kind_of(info.model).megabytes)
        self.session = Session(engine, current.context_capacity, self._kv, claim.incarnation)
        self.chat = ChatTemplate(engine.template, later_system_is_error=self._version >= (5, 2))

    def _inject_load_faults(self) -> None:
        if faults.strikes("load_hang"):
            clock.hang()
        if faults.strikes("crash_in_load"):
            os.kill(os.getpid(), signal.SIGKILL)
        if faults.strikes("load_extra_s"):
            clock.spend(settings().faults.load_extra_s)
        if faults.strikes("load_status"):
            raise failure(settings().faults.load_status)

    def _count_load(self) -> None:
        state = update_state(lambda s: s.update(loads=s.get("loads", 0) + 1))
        limit = settings().loads_until_cma_is_gone
        if limit and state["loads"] > limit:
            log.write("error", "Failed to allocate memory, no host CMA memory left")
            raise failure(Status.OUT_OF_HOST_CMA_MEMORY)

    def release(self) -> None:
        """Unload: give up the chip's cache and, with the device, the place on the chip.

        While a completion generates the server dies of it, and this process with it.
        """
        live = self._live() if self._live else None
        if live is not None and live.running and not self.session.closed:
            server.die_with_client("a model was released while a completion generates")
        if self._claim is not None and faults.strikes("model_release_hang"):
            clock.hang()
        if self._kv is not None:
            self._kv.release()
            self._kv = None
        if self._claim is not None:
            self._claim.release()
            self._claim = None
            record("unloaded")

    def __del__(self) -> None:
        self.release()

    # Generation

    def generate_messages(
        self, messages: list[str], frames: list[bytes], videos: list[list[bytes]], params: Params
    ) -> Completion:
        """Generate from JSON messages through the chat template."""
        self._check(params)
        if not messages:
            raise failure(Status.INVALID_ARGUMENT)
        return self._generate(self.chat.render(messages), frames, videos, params)

    def generate_text(
        self, prompt: str, frames: list[bytes], videos: list[list[bytes]], params: Params
    ) -> Completion:
        """Generate from a prompt text as it is."""
        self._check(params)
        return self._generate(prompt, frames, videos, params)

    def _check(self, params: Params) -> None:
        least = 0 if self._version >= (5, 2) else 1
        good = (
            params.temperature > 0
            and 0 <= params.top_p <= 1
            and params.top_k >= 1
            and params.frequency_penalty != 0
            and params.max_generated_tokens >= least
        )
        if not good:
            record("rejected", params=vars(params))
            raise failure(Status.INVALID_ARGUMENT)
        self._settle()

    def _generate(
        self, prompt: str, frames: list[bytes], videos: list[list[bytes]], params: Params
    ) -> Completion:
        if not prompt:
            raise failure(Status.INVALID_ARGUMENT)
        self._assert_undisturbed("generate() while another completion is generating")
        session = self.session
        session.begin(params)
        begun = clock.now()
        self._upload(frames, videos)
        if faults.strikes("generate_hang"):
            clock.hang()
        if faults.strikes("poison"):
            session.leave_broken_frame()
        self._generations += 1
        record(
            "generate",
            generation=self._generations,
            prompt=prompt,
            frames=[_digest(f) for f in frames],
            videos=[[_digest(f) for f in video] for video in videos],
            params=vars(params),
            usage=session.usage(),
            encode_s=round(clock.now() - begun, 4),
        )
        completion = Completion(session, prompt, self._generations)
        self._live = weakref.ref(completion)
        if params.max_generated_tokens == 0:
            completion.wait_for_prefill()
        return completion

    def _upload(self, frames: list[bytes], videos: list[list[bytes]]) -> None:
        """Send and encode the frames, with the checks of the emulated version."""
        session = self.session
        size = self.frame_bytes()
        most = session.engine.max_frames
        if most is not None and len(frames) > most:
            raise failure(Status.INVALID_ARGUMENT)
        if self._version < (5, 2):
            if len(frames) > MAX_FRAMES_511:
                session.desynchronise()
                raise failure(Status.INVALID_ARGUMENT)
            for index, frame in enumerate(frames):
                if len(frame) > size:
                    session.close("a frame was too big")
                    raise failure(Status.INVALID_OPERATION)
                if len(frame) < size:
                    if index + 1 < len(frames):
                        session.desynchronise()
                    raise failure(Status.INVALID_ARGUMENT)
        for group, video in [*(([f], False) for f in frames), *((v, True) for v in videos)]:
            self._encode(group, video, size)

    def _encode(self, group: list[bytes], video: bool, size: int) -> None:
        session = self.session
        if any(len(frame) != size for frame in group) or not group:
            session.leave_broken_frame()
            raise failure(Status.INVALID_OPERATION)
        if session.engine.paced:
            passes = -(-len(group) // 2) if video else 1
            seconds = settings().timing.frame_encode * passes * session.engine.pace
            session.note_request(clock.now() + seconds * settings().time_scale)
            clock.spend(seconds)
        if faults.strikes("encoder_status"):
            session.leave_broken_frame()
            raise failure(settings().faults.encoder_status)
        session.encode(group, video=video)

    # Context and small requests

    def tokenize(self, text: str) -> list[int]:
        """Token ids; waits for a running inference, as all requests of a session do."""
        self._settle()
        self._spend(settings().timing.tokenize)
        return self.session.engine.tokenize(text)

    def usage(self) -> int:
        """Cells in use and tokens that wait for the next prompt."""
        self._settle()
        return self.session.usage()

    def capacity(self) -> int:
        """The length of the KV cache."""
        self._settle()
        return self.session.cache.capacity

    def clear(self) -> None:
        """Clear the context; poisoned frames stay."""
        self._assert_undisturbed("clear_context() during a generation")
        self._settle()
        self._spend(settings().timing.clear_context)
        self.session.clear()
        self.chat.reset()
        record("clear_context")

    def save(self) -> bytes:
        """The whole context as bytes."""
        self._settle()
        self._spend(settings().timing.context_io)
        return context_blob.pack(self.session, settings().version)

    def load(self, blob: bytes) -> None:
        """Restore a context. Raises status 2 for bytes of another model, version or of no context."""
        self._assert_undisturbed("load_context() during a generation")
        self._settle()
        self._spend(settings().timing.context_io)
        context_blob.unpack(self.session, settings().version, blob)

    def set_recovery(self, text: str) -> None:
        """The text delivered after an aborted or cut generation; may be empty."""
        self._settle()
        self.session.recovery.tokens = self.session.engine.tokenize(text)

    def recovery(self) -> str:
        """The text that set_recovery gave, or the end-of-turn token."""
        self._settle()
        return self.session.engine.detokenize(self.session.recovery.tokens)

    def set_stops(self, stops: Sequence[str]) -> None:
        """Replace all stop sequences, those of the model included."""
        self._settle()
        tokenized = [self.session.engine.tokenize(stop) for stop in stops]
        self.session.stop_sequences = [tokens for tokens in tokenized if tokens]

    def stops(self) -> list[str]:
        """The stop sequences."""
        self._settle()
        return [self.session.engine.detokenize(stop) for stop in self.session.stop_sequences]

    def frame_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame."""
        return self.session.engine.frame_shape

    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        height, width, channels = self.session.engine.frame_shape
        return height * width * channels

    # Order of requests

    def _settle(self) -> None:
        """Check the link and wait for the running inference."""
        live = self._live() if self._live else None
        if not self.session.closed and server.is_gone(self.session.incarnation):
            self.session.close("the server is gone")
        self.session.check_link()
        if live is not None and live.undefined_to_disturb:
            live.finish_running_token()

    def _spend(self, seconds: float) -> None:
        if self.session.engine.paced:
            clock.spend(seconds)

    def _assert_undisturbed(self, what: str) -> None:
        live = self._live() if self._live else None
        if live is not None and live.undefined_to_disturb:
            record("assertion", what=what)
            count("assertions")
            raise EmulatorAssertion(f"undefined behaviour on the chip: {what}")


def _emulated_engine(model_path: str, info: HefInfo) -> Engine:
    if not info.whole:
        record("damaged", path=model_path)
    identity = f"{info.model} {info.sdk_version}"
    return EmulatedEngine(identity, kind_of(info.model), damaged=not info.whole)


def _cpu_engine(folder: str) -> Engine:
    # torch and transformers take seconds to import and are no dependency of the emulator.
    from hailo_platform._emulator.cpu_model import CpuEngine

    engine: Engine = CpuEngine(folder, settings().cpu_dtype)
    return engine


def _digest(frame: bytes) -> str:
    return hashlib.sha256(frame).hexdigest()
