"""VLM: a vision language model on the chip, with the signatures of the emulated version."""

import json
import operator
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from hailo_platform._emulator.completion import Completion
from hailo_platform._emulator.errors import HailoRTException, Status, failure
from hailo_platform._emulator.frames import raw_bytes
from hailo_platform._emulator.model import LoadedModel
from hailo_platform._emulator.sampler import Params
from hailo_platform._emulator.settings import settings
from hailo_platform.pyhailort._pyhailort import FormatOrder, SchedulingAlgorithm
from hailo_platform.pyhailort.exceptions import native_call
from hailo_platform.pyhailort.generator import LLMGeneratorCompletion
from hailo_platform.pyhailort.vdevice import VDevice

Prompt = str | Sequence[Mapping[str, Any]]
_UINT32_MAX = 0xFFFFFFFF
_GENERATE_ALL_TIMEOUT_MS = 600000


class VlmCommon:
    """What does not depend on the version.

    Constructing it blocks for the whole load. Its failures are native status exceptions, not
    HailoRTException (before 5.2.0), because the wrapper leaves the constructor unwrapped.
    """

    def __init__(self, vdevice: VDevice, model_path: str, optimize_memory_on_device: bool = False) -> None:
        claim = vdevice._claim
        if claim is None:
            raise failure(Status.INVALID_OPERATION)
        if vdevice._params.scheduling_algorithm is SchedulingAlgorithm.NONE:
            raise failure(Status.NOT_SUPPORTED)
        if not isinstance(model_path, str):
            raise TypeError("VLM.create(): incompatible function arguments: model_path must be str")
        self._vlm: LoadedModel = LoadedModel(claim, model_path, bool(optimize_memory_on_device))

    def release(self) -> None:
        """Unload the model; afterwards every use raises AttributeError."""
        model, self._vlm = self._vlm, None  # type: ignore[assignment]
        if model is not None:
            model.release()

    def __enter__(self) -> "VlmCommon":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _start(
        self, prompt: Prompt, frames: Any, videos: Any, options: Mapping[str, Any]
    ) -> LLMGeneratorCompletion:
        model = self._vlm
        _check_frames(frames)
        for video in videos or []:
            _check_frames(video)
        params = _params(options)
        messages = _messages(prompt)
        pixels = [raw_bytes(frame) for frame in frames]
        moving = [[raw_bytes(frame) for frame in video] for video in videos or []]
        with native_call():
            completion: Completion
            if isinstance(prompt, str):
                completion = model.generate_text(prompt, pixels, moving, params)
            else:
                completion = model.generate_messages(messages, pixels, moving, params)
        return LLMGeneratorCompletion(completion)

    def tokenize(self, text: str) -> list[int]:
        """The token ids of a text; special tokens in it count as such."""
        if not isinstance(text, str):
            raise TypeError("tokenize(): incompatible function arguments: expected str")
        with native_call():
            return self._vlm.tokenize(text)

    def get_context_usage_size(self) -> int:
        """Tokens in the context, the pending last one included."""
        with native_call():
            return self._vlm.usage()

    def max_context_capacity(self) -> int:
        """Tokens that the context holds before it overwrites itself."""
        with native_call():
            return self._vlm.capacity()

    def clear_context(self) -> None:
        """Forget the conversation."""
        with native_call():
            self._vlm.clear()

    def get_generation_recovery_sequence(self) -> str:
        """The text delivered after an aborted or cut generation."""
        with native_call():
            return self._vlm.recovery()

    def set_generation_recovery_sequence(self, recovery_sequence: str) -> None:
        """Set that text; may be empty."""
        with native_call():
            self._vlm.set_recovery(recovery_sequence)

    def prompt_template(self) -> str:
        """The Jinja chat template."""
        with native_call():
            return self._vlm.chat.source

    def set_stop_tokens(self, stop_tokens: list[str]) -> None:
        """Replace all stop sequences, the model's own included."""
        with native_call():
            self._vlm.set_stops(stop_tokens)

    def get_stop_tokens(self) -> list[str]:
        """The stop sequences."""
        with native_call():
            return self._vlm.stops()

    def save_context(self) -> bytes:
        """The context as bytes, about 29 MB."""
        with native_call():
            return self._vlm.save()

    def load_context(self, context: bytes) -> None:
        """Restore what save_context gave."""
        if not isinstance(context, bytes):
            raise TypeError("load_context(): incompatible function arguments: expected bytes")
        with native_call():
            self._vlm.load(context)

    def input_frame_size(self) -> int:
        """Bytes of a frame."""
        return self._vlm.frame_bytes()

    def input_frame_shape(self) -> list[int]:
        """Height, width, channels."""
        return list(self._vlm.frame_shape())

    def input_frame_format_type(self) -> "np.dtype[np.uint8]":
        """The element type of a frame."""
        self._vlm.frame_shape()
        return np.dtype(np.uint8)

    def input_frame_format_order(self) -> FormatOrder:
        """The order of a frame's data."""
        self._vlm.frame_shape()
        return FormatOrder.NHWC


class _Vlm51(VlmCommon):
    """The VLM of 5.1.x."""

    def generate(
        self,
        prompt: Prompt,
        frames: list[Any],
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        frequency_penalty: float | None = None,
        max_generated_tokens: int | None = None,
        do_sample: bool | None = None,
        seed: int | None = None,
    ) -> LLMGeneratorCompletion:
        """Upload and encode the frames, begin to generate, and return the completion."""
        return self._start(
            prompt,
            frames,
            None,
            {
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "frequency_penalty": frequency_penalty,
                "max_generated_tokens": max_generated_tokens,
                "do_sample": do_sample,
                "seed": seed,
            },
        )

    def generate_all(
        self,
        prompt: Prompt,
        frames: list[Any],
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        frequency_penalty: float | None = None,
        max_generated_tokens: int | None = None,
        do_sample: bool | None = None,
        seed: int | None = None,
        timeout_ms: int = _GENERATE_ALL_TIMEOUT_MS,
    ) -> str:
        """The whole answer as text, special tokens included."""
        with self.generate(
            prompt,
            frames,
            temperature,
            top_p,
            top_k,
            frequency_penalty,
            max_generated_tokens,
            do_sample,
            seed,
        ) as completion:
            return completion.read_all(timeout_ms)


class _Vlm52(VlmCommon):
    """The VLM of 5.2.0: videos before the parameters."""

    def generate(
        self,
        prompt: Prompt,
        frames: list[Any],
        videos: list[list[Any]] | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        frequency_penalty: float | None = None,
        max_generated_tokens: int | None = None,
        do_sample: bool | None = None,
        seed: int | None = None,
    ) -> LLMGeneratorCompletion:
        """Upload and encode frames and videos, begin to generate, and return the completion."""
        return self._start(
            prompt,
            frames,
            videos,
            {
                "temperature": temperature,
                "top_p": top_p,
                "top_k": top_k,
                "frequency_penalty": frequency_penalty,
                "max_generated_tokens": max_generated_tokens,
                "do_sample": do_sample,
                "seed": seed,
            },
        )

    def generate_all(
        self,
        prompt: Prompt,
        frames: list[Any],
        videos: list[list[Any]] | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        frequency_penalty: float | None = None,
        max_generated_tokens: int | None = None,
        do_sample: bool | None = None,
        seed: int | None = None,
        timeout_ms: int = _GENERATE_ALL_TIMEOUT_MS,
    ) -> str:
        """The whole answer as text, special tokens included."""
        with self.generate(
            prompt,
            frames,
            videos,
            temperature,
            top_p,
            top_k,
            frequency_penalty,
            max_generated_tokens,
            do_sample,
            seed,
        ) as completion:
            return completion.read_all(timeout_ms)


VLM = _Vlm52 if settings().version_tuple() >= (5, 2) else _Vlm51
VLM.__name__ = VLM.__qualname__ = "VLM"


def _check_frames(frames: Any) -> None:
    if not isinstance(frames, list):
        raise HailoRTException("frames must be a list of numpy arrays")
    for frame in frames:
        if not hasattr(frame, "dtype") or not hasattr(frame, "nbytes"):
            raise HailoRTException("frames must be a list of numpy arrays")


def _messages(prompt: Any) -> list[str]:
    """Each message as JSON; empty for a prompt that is text."""
    if isinstance(prompt, str):
        return []
    if not isinstance(prompt, list) or not all(isinstance(message, dict) for message in prompt):
        raise HailoRTException("prompt must be a list of dicts")
    return [json.dumps(message) for message in prompt]


def _params(options: Mapping[str, Any]) -> Params:
    """The given options over the defaults. Raises TypeError as the native setters do."""
    given: dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        if name in ("temperature", "top_p", "frequency_penalty"):
            given[name] = _as_float(name, value)
        elif name == "do_sample":
            given[name] = _as_bool(name, value)
        else:
            given[name] = _as_uint32(name, value)
    return Params(**given)


def _as_float(name: str, value: Any) -> float:
    if isinstance(value, str | bytes) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise TypeError(f"{name}: incompatible function arguments: expected float")
    # The native parameter has 32 bits.
    return float(np.float32(value))


def _as_bool(name: str, value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise TypeError(f"{name}: incompatible function arguments: expected bool")


def _as_uint32(name: str, value: Any) -> int:
    if isinstance(value, float) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: incompatible function arguments: expected int")
    number = operator.index(value)
    if not 0 <= number <= _UINT32_MAX:
        raise TypeError(f"{name}: incompatible function arguments: {number} does not fit 32 bits")
    return number
