"""More images than fit: the model gets some of them, if the operator wants that (media.overflow: sample).

The first and the last are kept, and others evenly from between. How many fit is known only when the NPU
process has counted the prompt's tokens, so the model may have to be asked again with fewer.
"""

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from msgspec.structs import replace

from hailo_vision.inference.answer import Answer, Generation
from hailo_vision.inference.budget import ContextOverflow
from hailo_vision.inference.request import GenerationRequest, Image, Turn
from hailo_vision.npu.protocol import ModelInfo

# Left for the answer where images are left out anyway, in tokens.
_ROOM = 200
_BETWEEN_IMAGES = 2  # tokens that the template puts around each image


class SampledAnswer(Answer):
    """An answer about as many of a request's images as fit."""

    def __init__(
        self,
        generate: Callable[[GenerationRequest, int], Generation],
        request: GenerationRequest,
        model: ModelInfo,
    ) -> None:
        """Ask the model; generate's second argument is how many images are left out.

        Raises:
            RequestError: as generate().
        """
        self._generate = generate
        self._request = request
        self._model = model
        per_image = model.frame_tokens + _BETWEEN_IMAGES
        count = len(request.images)
        most = min(count, model.max_frames, (model.context_length - 1) // per_image)
        super().__init__(self._with(most))

    def _with(self, images: int) -> Generation:
        self._images = images
        return self._generate(sample(self._request, images), len(self._request.images) - images)

    async def texts(self) -> AsyncGenerator[list[str], None]:
        while True:
            try:
                async with aclosing(super().texts()) as parts:
                    async for texts in parts:
                        yield texts
                return
            except ContextOverflow as overflow:
                self._generations = [self._with_fewer(overflow)]

    def _with_fewer(self, overflow: ContextOverflow) -> Generation:
        excess = overflow.prompt_tokens + _ROOM - overflow.context_length
        fewer = self._images - max(1, math.ceil(excess / (self._model.frame_tokens + _BETWEEN_IMAGES)))
        if fewer < 1:
            raise overflow  # of the text alone
        return self._with(fewer)


def sample(request: GenerationRequest, count: int) -> GenerationRequest:
    """The request with only `count` of its images: the first, the last, and others evenly from between."""
    total = len(request.images)
    if count >= total:
        return request
    # A single one is the last, as that is the newest.
    step = (total - 1) / (count - 1) if count > 1 else 0
    kept = {total - 1, *(round(place * step) for place in range(count) if count > 1)}
    numbers = iter(range(total))

    def keep(part: str | Image) -> bool:
        return isinstance(part, str) or next(numbers) in kept

    turns = [Turn(turn.role, [part for part in turn.content if keep(part)]) for turn in request.turns]
    return replace(request, turns=turns)
