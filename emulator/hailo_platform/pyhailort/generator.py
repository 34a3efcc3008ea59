"""LLMGeneratorCompletion: a running generation, read piece by piece."""

from typing import Any, Self

from hailo_platform._emulator.completion import Completion
from hailo_platform._emulator.settings import settings
from hailo_platform.pyhailort._pyhailort import LLMGeneratorCompletionStatus
from hailo_platform.pyhailort.casters import as_uint32
from hailo_platform.pyhailort.exceptions import NativeCall

_DEFAULT_TIMEOUT_MS = 10000


class LLMGeneratorCompletion:
    """The pieces of one answer. Releasing it is the only way to abort it.

    After release() every use raises AttributeError.
    """

    def __init__(self, generator_completion: Completion) -> None:
        self._completion: Completion = generator_completion

    def read(self, timeout_ms: int = _DEFAULT_TIMEOUT_MS) -> str:
        """The next piece, possibly empty.

        Raises HailoRTTimeout if it did not come in time (reading may go on),
        HailoRTInvalidOperationException after the end, or if the chip failed or the link was lost,
        HailoRTException (8) if a handled signal broke the wait (reading may go on).
        """
        with NativeCall():
            return self._completion.read(as_uint32("timeout_ms", timeout_ms))

    def read_all(self, timeout_ms: int = _DEFAULT_TIMEOUT_MS) -> str:
        """All remaining pieces, within one time limit, which 5.3.0 wants to be told. Raises as read does."""
        with NativeCall():
            return self._completion.read_all(as_uint32("timeout_ms", timeout_ms))

    @property
    def generation_status(self) -> LLMGeneratorCompletionStatus:
        """The state as of the last piece read."""
        return self._completion.status

    def release(self) -> None:
        """Abort the generation if it still runs, wait for its end, and free it."""
        completion, self._completion = self._completion, None  # type: ignore[assignment]
        if completion is not None:
            with NativeCall():
                completion.release()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self.generation_status is not LLMGeneratorCompletionStatus.GENERATING:
            raise StopIteration
        return self.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: Any) -> None:
        self.release()


if settings().version_tuple() >= (5, 3):
    LLMGeneratorCompletion.read_all.__defaults__ = None
