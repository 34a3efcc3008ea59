"""VLM: a vision language model on the chip, with the signatures of the emulated version."""

import inspect
import json
import os
import signal
from collections.abc import Mapping
from typing import Any

import numpy as np

from hailo_platform._emulator.completion import Completion
from hailo_platform._emulator.errors import HailoRTException, Status, failure
from hailo_platform._emulator.frames import raw_bytes
from hailo_platform._emulator.model import LoadedModel
from hailo_platform._emulator.sampler import Params
from hailo_platform._emulator.settings import settings
from hailo_platform.pyhailort._pyhailort import FormatOrder, SchedulingAlgorithm
from hailo_platform.pyhailort.casters import as_bool, as_float, as_text, as_uint32
from hailo_platform.pyhailort.exceptions import NativeCall
from hailo_platform.pyhailort.generator import LLMGeneratorCompletion
from hailo_platform.pyhailort.vdevice import VDevice

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
            # The bindings take the null pointer of a released device as it is.
            os.kill(os.getpid(), signal.SIGSEGV)
        assert claim is not None
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

    def __exit__(self, *args: Any) -> None:
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
        timeout_ms = given.pop("timeout_ms", _GENERATE_ALL_TIMEOUT_MS)
        with self._start(given) as completion:
            return completion.read_all(timeout_ms)

    def _start(self, given: Mapping[str, Any]) -> LLMGeneratorCompletion:
        prompt, frames, videos = given["prompt"], given["frames"], given.get("videos") or []
        model = self._vlm
        messages = _messages(prompt)
        for group in [frames, *videos]:
            _check_frames(group)
        params = _params({name: given.get(name) for name in _OPTIONS})
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
        """The token ids of a text or of its bytes; special tokens in it count as such."""
        with NativeCall():
            return self._vlm.tokenize(as_text("text", text))

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

    def set_generation_recovery_sequence(self, sequence: str) -> None:
        """Set that text; may be empty."""
        with NativeCall():
            self._vlm.set_recovery(as_text("sequence", sequence))

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

    def load_context(self, context_data: bytes) -> None:
        """Restore what save_context gave."""
        if not isinstance(context_data, bytes):
            raise TypeError("load_context(): incompatible function arguments: expected bytes")
        with NativeCall():
            self._vlm.load(context_data)

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
            raise HailoRTException("each frame must be a numpy array")


def _messages(prompt: Any) -> list[str]:
    """Each message as JSON; empty for a prompt that is text, and from 5.2.0 for None."""
    later = settings().version_tuple() >= (5, 2)
    if isinstance(prompt, str) or (prompt is None and later):
        return []
    if not isinstance(prompt, list):
        raise HailoRTException(f"prompt must be a list of dicts{'' if later else ' in chat format'}")
    if not all(isinstance(message, dict) for message in prompt):
        raise HailoRTException("prompt must be a list of dicts")
    return [json.dumps(message) for message in prompt]


def _params(options: Mapping[str, Any]) -> Params:
    """The given options over the defaults. Raises TypeError as the native setters do."""
    given: dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        if name in ("temperature", "top_p", "frequency_penalty"):
            given[name] = as_float(name, value)
        elif name == "do_sample":
            given[name] = as_bool(name, value)
        else:
            given[name] = as_uint32(name, value)
    return Params(**given)
