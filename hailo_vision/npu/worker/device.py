"""VDevice and VLM behind a small interface: the only module that imports hailo_platform.

Its calls hold the GIL until they return (no GenAI binding releases it), so nothing else can run in
this process meanwhile.
"""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hailo_vision.npu import hef, problems
from hailo_vision.npu.problems import NpuError, status_of
from hailo_vision.npu.protocol import Load, ModelInfo, Problem, Sampling

Frame = NDArray[np.uint8]

STOP_TOKENS = frozenset({"<|im_end|>", "<|endoftext|>"})
_MAX_FRAMES_BEFORE_5_2 = 5  # MAX_FRAMES_IN_SINGLE_GENERATION, vlm_server.hpp at v5.1.1
_ALL_TOKENS = 100_000  # top_k that leaves nothing out, within Qwen2-VL's vocabulary
# A temperature or top_p below it takes the likeliest token anyway, and as 32-bit floats the smallest are
# the 0 that HailoRT refuses.
_GREEDY = 1e-3
_RANDOM_SEED = 2**32 - 1  # the one value that means: another seed each time

# VDevice() may lose its wake-up and then fails with a time-out after 10 s, although the chip has answered.
_OPENINGS = 3
# A chip whose holder was killed finishes what it was asked before it takes another model (5.2.0).
_BUSY_SECONDS = 5.0
_BUSY_STEP_SECONDS = 0.5
# Without a token for so long it is asked whether the link is there: with it lost, read() only times out.
_SILENT_SECONDS = 2.0

# Where hailo-ai/hailo_model_zoo_genai points to (docs/MODELS.rst).
_PUBLISHED = ("Qwen2-VL-2B-Instruct.hef", "Qwen3-VL-2B-Instruct.hef")
# By the side of the square of pixels that makes one token, 14-pixel patches merged two by two for Qwen2-VL
# (vlm/pre_process.hpp) and 16-pixel ones for Qwen3-VL: the most frames that one prompt may have, if it is
# not as many as the context holds. Hailo's Qwen3-VL takes one (hailo_model_zoo, docs/MODELS.rst of 5.3.0).
_MAX_FRAMES = {28: None, 32: 1}


def check_file(path: Path, runtime: str) -> None:
    """Refuse what is not a model, or not all of one: HailoRT 5.1.1 does not notice that a part is missing.

    Args:
        runtime: the installed HailoRT's version, of which a missing file is to be fetched.

    Raises:
        NpuError: the file is missing, no model, or truncated.
    """
    if not path.exists():
        alike = [name for name in _PUBLISHED if name.lower() == path.name.lower()]
        url = f"https://dev-public.hailo.ai/v{runtime}/blob/{(alike or _PUBLISHED)[0]}"
        fetch = f"curl --fail --location --continue-at - --output {shlex.quote(str(path))} {url}"
        cure = f"Run the playbook again (role hailo_model), or fetch it yourself: {fetch}"
        raise NpuError(Problem("hef_missing", f"There is no model file: {path}", cure, "hef"))
    try:
        size = path.stat().st_size
        hef.read_head(path, 1)
    except OSError:
        return  # HailoRT reports it; a folder passes as well, as for the emulator it may be a model
    if not hef.has_magic(path):
        raise NpuError(problems.bad_file(path))
    announced = hef.announced_size(path)
    if announced is not None and size < announced:
        said = f"{path} is truncated: it has {size} of {announced} bytes."
        raise NpuError(Problem("hef_invalid", said, problems.REPLACE_HEF, "hef"))


def runtime_version() -> tuple[str, bool]:
    """The installed HailoRT's version, and whether it is an emulator.

    Raises:
        NpuError: it can't be imported.
    """
    try:
        import hailo_platform.genai
    except ImportError as error:
        problem = Problem(
            "runtime_missing",
            f"HailoRT's Python package can't be imported: {error}",
            "Install python3-h10-hailort (Raspberry Pi OS Trixie), or create the service's virtual "
            "environment with system site packages and the system's own Python.",
            "never",
        )
        raise NpuError(problem) from error
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
    greedy = is_greedy(sampling)
    if greedy:
        sampling = Sampling(temperature=1.0, top_k=1, repetition_penalty=sampling.repetition_penalty)
    return {
        "do_sample": not greedy,
        "frequency_penalty": sampling.repetition_penalty,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": min(sampling.top_k, _ALL_TOKENS) if sampling.top_k > 0 else _ALL_TOKENS,
        "seed": _RANDOM_SEED if sampling.seed is None else sampling.seed % _RANDOM_SEED,
    }


@contextmanager
def _explaining(path: Path | None = None) -> Iterator[None]:
    """Raises what HailoRT raises as an NpuError."""
    try:
        yield
    except Exception as error:
        raise NpuError(problems.runtime_problem(error, path)) from error


class Completion:
    """One running generation.

    HailoRT has no abort call: releasing the completion is the only one. It returns once the running
    prefill, or one to three tokens, are done.
    """

    def __init__(self, completion: Any, vlm: Any) -> None:
        self._completion = completion
        self._vlm = vlm
        self._heard = time.monotonic()

    def read(self, timeout_ms: int) -> str | None:
        """The next token's text, or None if the time ran out; a timeout loses nothing.

        Raises:
            NpuError: the generation failed, or the link to the chip is lost.
        """
        try:
            piece: str = self._completion.read(timeout_ms=timeout_ms)
        except Exception as error:
            status = status_of(error)
            if status == problems.TIMEOUT:
                if time.monotonic() - self._heard > _SILENT_SECONDS:
                    self._check_link()
                return None
            if status == problems.INVALID_OPERATION:  # so it says for a failed inference and for a lost link
                self._check_link()
            raise NpuError(problems.runtime_problem(error)) from error
        self._heard = time.monotonic()
        return piece

    def _check_link(self) -> None:
        """Ask the chip something small, which any other call than read() fails at without a link."""
        with _explaining():
            self._vlm.get_context_usage_size()
        self._heard = time.monotonic()

    @property
    def running(self) -> bool:
        return bool(self._completion.generation_status.name == "GENERATING")

    def release(self) -> None:
        """End it; a second call has no effect."""
        completion, self._completion = self._completion, None
        if completion is not None:
            completion.release()


class Model:
    """The model on the device; load() comes first.

    Attributes:
        info: what the model reports about itself.
        frames_per_call: the most frames that one generate() takes.
        vlm: HailoRT's own object.

    Raises:
        NpuError: from every method, when HailoRT fails.
    """

    info: ModelInfo
    frames_per_call: int

    def __init__(self) -> None:
        self._completion: Completion | None = None
        self.vlm: Any = None
        self._vdevice: Any = None

    def load(self, order: Load) -> ModelInfo:
        """Open the device and load the model."""
        started = time.monotonic()
        version, emulated = runtime_version()
        path = Path(order.hef_path)
        check_file(path, version)
        self.vlm = self._open_model(path, order, version)
        with _explaining(path):
            height, width, channels = self.vlm.input_frame_shape()
            context_length = self.vlm.max_context_capacity()
            side = next((side for side in _MAX_FRAMES if height % side == width % side == 0), None)
            if side is None:
                raise ValueError(f"no known model takes frames of {height} x {width} pixels")
            frame_tokens = height * width // side**2
            most = (context_length - 1) // frame_tokens
            before_5_2 = tuple(int(part) for part in version.split(".")[:2]) < (5, 2)
            self.frames_per_call = _MAX_FRAMES_BEFORE_5_2 if before_5_2 else most
            self.info = ModelInfo(
                prompt_template=self.vlm.prompt_template(),
                frame_shape=(height, width, channels),
                context_length=context_length,
                frame_tokens=frame_tokens,
                max_frames=_MAX_FRAMES[side] or most,
                runtime_version=version,
                emulated=emulated,
                hef_path=str(path),
                load_seconds=time.monotonic() - started,
            )
        return self.info

    def _open_model(self, path: Path, order: Load, version: str) -> Any:
        """The VLM. A chip that a killed process has left at work is waited for."""
        import hailo_platform

        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            self._vdevice = _open_device(hailo_platform, order)
            started = time.monotonic()
            try:
                return hailo_platform.genai.VLM(self._vdevice, str(path))
            except Exception as error:
                if status_of(error) != problems.COMMUNICATION_CLOSED or time.monotonic() > deadline:
                    seconds = time.monotonic() - started
                    problem = problems.loading_problem(error, path, version, order.device_nodes, seconds)
                    raise NpuError(problem) from error
            self._vdevice.release()
            time.sleep(_BUSY_STEP_SECONDS)

    def tokenize(self, text: str) -> list[int]:
        """The ids of a text's tokens; a frame's placeholder is one of them."""
        with _explaining():
            return list(self.vlm.tokenize(text))

    def clear_context(self) -> None:
        with _explaining():
            self.vlm.clear_context()

    def generate(
        self, prompt: str, frames: Sequence[Frame], sampling: Sampling, max_tokens: int
    ) -> Completion:
        """Start a generation on top of what the context holds; blocks while the frames are encoded.

        frames are contiguous, writable uint8 arrays of info.frame_shape, one for each placeholder of
        the prompt: the bindings check neither layout nor, from 5.2.0, size.
        """
        with _explaining():
            completion = self.vlm.generate(
                prompt=prompt, frames=list(frames), max_generated_tokens=max_tokens, **parameters_of(sampling)
            )
        self._completion = Completion(completion, self.vlm)
        return self._completion

    def close(self) -> None:
        """Release what there is in HailoRT's order: completion, model, device. A model that is released
        before its completion kills the chip's server."""
        for held in (self._completion, self.vlm, self._vdevice):
            if held is not None:
                held.release()


def _open_device(hailo_platform: Any, order: Load, openings: int = _OPENINGS) -> Any:
    try:
        params = hailo_platform.VDevice.create_params()
        params.group_id = order.device_group
        return hailo_platform.VDevice(params)
    except Exception as error:
        if status_of(error) == problems.TIMEOUT and openings > 1:
            return _open_device(hailo_platform, order, openings - 1)
        raise NpuError(problems.opening_problem(error, order.device_nodes)) from error
