"""Refuses, before anything is prepared, what can't possibly fit the model's context."""

from hailo_vision.errors import Kind, RequestError
from hailo_vision.inference.request import GenerationRequest
from hailo_vision.npu.protocol import ModelInfo

_TURN_TOKENS = 4  # the least that a turn takes: its two control tokens, its role, a line end
_LONGEST_TOKEN = 256  # characters; twice as many as the longest token of Qwen2's vocabulary has


class ContextOverflow(RequestError):
    """The prompt does not fit the context.

    Attributes:
        prompt_tokens: what it has; with at_least it was not counted, but can't have fewer.
    """

    def __init__(
        self, context_length: int, prompt_tokens: int, where: str, *, at_least: bool = False
    ) -> None:
        # In the words that LiteLLM and LangChain recognise: LiteLLM by the first ones, LangChain by the code
        # or, where OpenAI's SDK does not show it that, by "prompt is too long".
        counted = f"{'at least ' if at_least else ''}{prompt_tokens} tokens"
        super().__init__(
            Kind.CONTEXT_LENGTH_EXCEEDED,
            f"This model's maximum context length is {context_length} tokens. However, your messages "
            f"resulted in {counted}: the prompt is too long. Please reduce the length of the messages or the "
            "number of images.",
            where=where,
        )
        self.context_length = context_length
        self.prompt_tokens = prompt_tokens


def check(request: GenerationRequest, model: ModelInfo) -> None:
    """Refuse at once what no counting of tokens could make fit: preparing it would hold up the event loop,
    and it may be more than a message to the NPU process can carry.

    Raises:
        RequestError: more images than the model takes, or more turns or text than its context holds.
    """
    images = len(request.images)
    if images * model.frame_tokens >= model.context_length:
        raise ContextOverflow(model.context_length, images * model.frame_tokens, request.where, at_least=True)
    if images > model.max_frames:
        raise RequestError(
            Kind.TOO_MANY_IMAGES,
            f"The conversation has {images} images; the model takes {model.max_frames}.",
            where=request.where,
        )
    texts = sum(len(part) for turn in request.turns for part in turn.content if isinstance(part, str))
    least = len(request.turns) * _TURN_TOKENS + texts // _LONGEST_TOKEN
    if least >= model.context_length:
        raise ContextOverflow(model.context_length, least, request.where, at_least=True)
