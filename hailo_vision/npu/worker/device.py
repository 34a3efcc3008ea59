"""VDevice and VLM behind a small interface: the only module that imports hailo_platform.

Its calls hold the GIL until they return (no GenAI binding releases it), so nothing else can run in
this process meanwhile.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hailo_vision.npu import hef
from hailo_vision.npu.problems import (
    TIMEOUT,
    NpuError,
    loading_problem,
    missing_hef,
    missing_runtime,
    opening_problem,
    runtime_problem,
    status_of,
)
from hailo_vision.npu.protocol import Load, ModelInfo, Sampling

Frame = NDArray[np.uint8]

STOP_TOKENS = frozenset({"<|im_end|>", "<|endoftext|>"})
_PIXELS_PER_TOKEN = 28 * 28  # 14-pixel patches merged two by two (vlm/pre_process.hpp)
_MAX_FRAMES_BEFORE_5_2 = 5  # MAX_FRAMES_IN_SINGLE_GENERATION, vlm_server.hpp at v5.1.1
_ALL_TOKENS = 100_000  # top_k that leaves nothing out, within Qwen2-VL's vocabulary
# A temperature or top_p below it takes the likeliest token anyway, and as 32-bit floats the smallest are
# the 0 that HailoRT refuses.
_GREEDY = 1e-3
_RANDOM_SEED = 2**32 - 1  # the one value that means: another seed each time


def find_hef(hef_path: str | None, model_name: str, resources_dir: str) -> Path:
    """The model file: the named one, else the one in resources_dir that is called like the model.

    Raises:
        NpuError: there is none.
    """
    found = hef.find(hef_path, model_name, resources_dir)
    if found is None:
        raise NpuError(
            missing_hef(hef_path or f"{resources_dir}/{model_name}.hef (upper and lower case alike)")
        )
    return found


def runtime_version() -> tuple[str, bool]:
    """The installed HailoRT's version, and whether it is an emulator.

    Raises:
        NpuError: it can't be imported.
    """
    try:
        import hailo_platform
    except ImportError as error:
        raise NpuError(missing_runtime(error)) from error
    return str(hailo_platform.__version__), bool(getattr(hailo_platform, "EMULATED", False))


def is_greedy(sampling: Sampling) -> bool:
    """Whether the likeliest token is taken each time."""
    return sampling.temperature < _GREEDY or sampling.top_p < _GREEDY


def parameters_of(sampling: Sampling) -> dict[str, Any]:
    """The sampling as arguments of VLM.generate().

    HailoRT refuses temperature 0, ignores temperature unless do_sample is set, and samples greedily at
    its default top_k of 1 (vlm.cpp, LLMGeneratorParams validation; post_process.cpp). Its
    frequency_penalty is the multiplicative penalty that others call repetition penalty.
    """
    parameters: dict[str, Any] = {
        "do_sample": not is_greedy(sampling),
        "frequency_penalty": sampling.repetition_penalty,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 1,
        "seed": _RANDOM_SEED,
    }
    if parameters["do_sample"]:
        parameters["temperature"] = sampling.temperature
        parameters["top_p"] = sampling.top_p
        parameters["top_k"] = min(sampling.top_k, _ALL_TOKENS) if sampling.top_k > 0 else _ALL_TOKENS
        if sampling.seed is not None:
            parameters["seed"] = sampling.seed % _RANDOM_SEED
    return parameters


class Completion:
    """One running generation.

    HailoRT has no abort call: releasing the completion is the only one. It returns once the running
    prefill, or one to three tokens, are done.
    """

    def __init__(self, completion: Any) -> None:
        self._completion = completion

    def read(self, timeout_ms: int) -> str | None:
        """The next token's text, or None if the time ran out; a timeout loses nothing.

        Raises:
            NpuError: the generation failed.
        """
        try:
            piece: str = self._completion.read(timeout_ms=timeout_ms)
        except Exception as error:
            if status_of(error) == TIMEOUT:
                return None
            raise NpuError(runtime_problem(error)) from error
        return piece

    @property
    def running(self) -> bool:
        return bool(self._completion.generation_status.name == "GENERATING")

    def release(self) -> None:
        """End it; again is without effect."""
        completion, self._completion = self._completion, None
        if completion is not None:
            completion.release()


class Model:
    """The model on the device; load() comes first.

    Raises:
        NpuError: from every method, when HailoRT fails.
    """

    info: ModelInfo

    def __init__(self) -> None:
        self._completion: Completion | None = None
        self._vlm: Any = None
        self._vdevice: Any = None

    def load(self, order: Load) -> ModelInfo:
        """Open the device and load the model."""
        started = time.monotonic()
        try:
            import hailo_platform.genai
        except ImportError as error:
            raise NpuError(missing_runtime(error)) from error
        path = find_hef(order.hef_path, order.model_name, order.resources_dir)
        self._vdevice = self._open(hailo_platform, order)
        try:
            self._vlm = hailo_platform.genai.VLM(self._vdevice, str(path))
            self.info = self._describe(path, started)
        except Exception as error:
            raise NpuError(loading_problem(error, path, hailo_platform.__version__)) from error
        return self.info

    @staticmethod
    def _open(hailo_platform: Any, order: Load) -> Any:
        try:
            params = hailo_platform.VDevice.create_params()
            params.group_id = order.device_group
            return hailo_platform.VDevice(params)
        except Exception as error:
            raise NpuError(opening_problem(error, order.device_nodes)) from error

    def _describe(self, path: Path, started: float) -> ModelInfo:
        height, width, channels = self._vlm.input_frame_shape()
        context_length = self._vlm.max_context_capacity()
        frame_tokens = height * width // _PIXELS_PER_TOKEN
        version, emulated = runtime_version()
        before_5_2 = tuple(int(part) for part in version.split(".")[:2]) < (5, 2)
        return ModelInfo(
            prompt_template=self._vlm.prompt_template(),
            frame_shape=(height, width, channels),
            context_length=context_length,
            frame_tokens=frame_tokens,
            max_frames=_MAX_FRAMES_BEFORE_5_2 if before_5_2 else context_length // frame_tokens,
            runtime_version=version,
            emulated=emulated,
            hef_path=str(path),
            load_seconds=time.monotonic() - started,
        )

    def count_tokens(self, prompt: str, frames: int) -> int:
        """Context tokens of a prompt in which `frames` placeholders each stand for a whole frame."""
        try:
            return len(self._vlm.tokenize(prompt)) + frames * (self.info.frame_tokens - 1)
        except Exception as error:
            raise NpuError(runtime_problem(error)) from error

    def clear_context(self) -> None:
        try:
            self._vlm.clear_context()
        except Exception as error:
            raise NpuError(runtime_problem(error)) from error

    def generate(
        self, prompt: str, frames: Sequence[Frame], sampling: Sampling, max_tokens: int
    ) -> Completion:
        """Start a generation on top of what the context holds; blocks while the frames are encoded.

        frames are contiguous, writable uint8 arrays of info.frame_shape, one for each placeholder of
        the prompt: the bindings check neither layout nor, from 5.2.0, size.
        """
        try:
            completion = self._vlm.generate(
                prompt=prompt, frames=list(frames), max_generated_tokens=max_tokens, **parameters_of(sampling)
            )
        except Exception as error:
            raise NpuError(runtime_problem(error)) from error
        self._completion = Completion(completion)
        return self._completion

    def close(self) -> None:
        """Release what there is in HailoRT's order: completion, model, device. A model that is released
        before its completion kills the chip's server."""
        for held in (self._completion, self._vlm, self._vdevice):
            if held is not None:
                held.release()
