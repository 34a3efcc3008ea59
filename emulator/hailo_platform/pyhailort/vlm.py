"""VLM: a vision language model on the chip, with the signatures of the emulated version."""

import inspect
import json
import operator
from collections.abc import Mapping
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
from hailo_platform.pyhailort.exceptions import NativeCall
from hailo_platform.pyhailort.generator import LLMGeneratorCompletion
from hailo_platform.pyhailort.vdevice import VDevice

_UINT32_MAX = 0xFFFFFFFF
_GENERATE_ALL_TIMEOUT_MS = 600000


_OPTIONS = ("temperature", "top_p", "top_k", "frequency_penalty", "max_generated_tokens", "do_sample", "seed")


def _signature(**further: object) -> inspect.Signature:
    """The parameters of generate in the emulated version: 5.2.0 put videos before the options."""
    names = ["self", "prompt", "frames"]
    optional = ["videos", *_OPTIONS] if settings().version_tuple() >= (5, 2) else [*_OPTIONS]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in names]
    parameters += [inspect.Parameter(name, kind, default=None) for name in optional]
    parameters += [inspect.Parameter(name, kind, default=value) for name, value in further.items()]
    return inspect.Signature(parameters)


class VLM:
    """A model on the chip.

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

    def __enter__(self) -> "VLM":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def generate(self, *arguments: Any, **named: Any) -> LLMGeneratorCompletion:
        """Upload and encode the frames, begin to generate, and return the completion.

        Parameters: prompt (text, or a list of messages), frames (list of arrays), from 5.2.0 videos (list of
        lists of arrays), then temperature, top_p, top_k, frequency_penalty, max_generated_tokens, do_sample
        and seed, each None for the model's default.
        """
        given = _GENERATE.bind(self, *arguments, **named).arguments
        return self._start(given)

    def generate_all(self, *arguments: Any, **named: Any) -> str:
        """The whole answer as text, special tokens included; parameters as of generate, and timeout_ms."""
        given = _GENERATE_ALL.bind(self, *arguments, **named).arguments
        timeout_ms: int = given.pop("timeout_ms", _GENERATE_ALL_TIMEOUT_MS)
        with self._start(given) as completion:
            return completion.read_all(timeout_ms)

    def _start(self, given: Mapping[str, Any]) -> LLMGeneratorCompletion:
        prompt, frames, videos = given["prompt"], given["frames"], given.get("videos") or []
        model = self._vlm
        for group in [frames, *videos]:
            _check_frames(group)
        params = _params({name: given.get(name) for name in _OPTIONS})
        messages = _messages(prompt)
        pixels = [raw_bytes(frame) for frame in frames]
        moving = [[raw_bytes(frame) for frame in video] for video in videos]
        with NativeCall():
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
        with NativeCall():
            return self._vlm.tokenize(text)

    def get_context_usage_size(self) -> int:
        """Tokens in the context, the pending last one included."""
        with NativeCall():
            return self._vlm.usage()

    def max_context_capacity(self) -> int:
        """Tokens that the context holds before it overwrites itself."""
        with NativeCall():
            return self._vlm.capacity()

    def clear_context(self) -> None:
        """Forget the conversation."""
        with NativeCall():
            self._vlm.clear()

    def get_generation_recovery_sequence(self) -> str:
        """The text delivered after an aborted or cut generation."""
        with NativeCall():
            return self._vlm.recovery()

    def set_generation_recovery_sequence(self, recovery_sequence: str) -> None:
        """Set that text; may be empty."""
        with NativeCall():
            self._vlm.set_recovery(recovery_sequence)

    def prompt_template(self) -> str:
        """The Jinja chat template."""
        with NativeCall():
            return self._vlm.chat.source

    def set_stop_tokens(self, stop_tokens: list[str]) -> None:
        """Replace all stop sequences, the model's own included."""
        with NativeCall():
            self._vlm.set_stops(stop_tokens)

    def get_stop_tokens(self) -> list[str]:
        """The stop sequences."""
        with NativeCall():
            return self._vlm.stops()

    def save_context(self) -> bytes:
        """The context as bytes, about 29 MB."""
        with NativeCall():
            return self._vlm.save()

    def load_context(self, context: bytes) -> None:
        """Restore what save_context gave."""
        if not isinstance(context, bytes):
            raise TypeError("load_context(): incompatible function arguments: expected bytes")
        with NativeCall():
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


_GENERATE = _signature()
_GENERATE_ALL = _signature(timeout_ms=_GENERATE_ALL_TIMEOUT_MS)
VLM.generate.__signature__ = _GENERATE  # type: ignore[attr-defined]
VLM.generate_all.__signature__ = _GENERATE_ALL  # type: ignore[attr-defined]


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
