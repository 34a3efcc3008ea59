"""What OpenAI's clients get, as types; field names and order are OpenAI's, extras come last."""

from typing import Literal

import msgspec

from hailo_vision.inference import answer
from hailo_vision.inference.answer import FinishReason, JsonReport

ChatFinish = Literal["stop", "length", "tool_calls"]


class PromptTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int
    image_tokens: int
    text_tokens: int
    audio_tokens: int = 0


class CompletionTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails = CompletionTokensDetails()


def usage_of(used: answer.Usage) -> Usage:
    """Tokens, in OpenAI's words."""
    return Usage(
        used.prompt_tokens,
        used.completion_tokens,
        used.prompt_tokens + used.completion_tokens,
        PromptTokensDetails(
            cached_tokens=used.cached_tokens,
            image_tokens=used.image_tokens,
            text_tokens=used.prompt_tokens - used.image_tokens,
        ),
    )


class Timings(msgspec.Struct, frozen=True):
    """llama.cpp's names and meanings (tools/server, slot timings); milliseconds. queue_ms is ours."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float
    queue_ms: float


def timings_of(used: answer.Usage, spent: answer.Timings) -> Timings:
    """Where the time went, in llama.cpp's words: the first token is no part of the predicted rate."""
    fresh = used.prompt_tokens - used.cached_tokens
    following = max(0, used.completion_tokens - 1)
    return Timings(
        cache_n=used.cached_tokens,
        prompt_n=fresh,
        prompt_ms=spent.prefill * 1000,
        prompt_per_token_ms=spent.prefill * 1000 / max(1, fresh),
        prompt_per_second=_rate(fresh, spent.prefill),
        predicted_n=used.completion_tokens,
        predicted_ms=spent.decode * 1000,
        predicted_per_token_ms=spent.decode * 1000 / following if following else 0.0,
        predicted_per_second=_rate(following, spent.decode),
        queue_ms=(spent.queue + spent.load) * 1000,
    )


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


class FunctionCall(msgspec.Struct, frozen=True):
    """arguments is JSON text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class AssistantReply(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    annotations: tuple[()] = ()
    tool_calls: tuple[ToolCall, ...] | msgspec.UnsetType = msgspec.UNSET
    function_call: FunctionCall | msgspec.UnsetType = msgspec.UNSET


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    index: Literal[0] = 0
    message: AssistantReply
    logprobs: None = None
    finish_reason: ChatFinish


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[Choice]
    usage: Usage
    system_fingerprint: str
    timings: Timings
    json_report: JsonReport | msgspec.UnsetType = msgspec.UNSET


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    index: Literal[0] = 0
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: tuple[ToolCallDelta, ...] | None = None
    function_call: FunctionCall | None = None


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: Literal[0] = 0
    delta: Delta
    logprobs: None = None
    finish_reason: ChatFinish | None = None


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One server-sent event of a stream.

    usage is left out unless the client asked for it; then it is null in all chunks but the last.
    """

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    system_fingerprint: str
    usage: Usage | msgspec.UnsetType | None = msgspec.UNSET
    timings: Timings | msgspec.UnsetType = msgspec.UNSET
    json_report: JsonReport | msgspec.UnsetType = msgspec.UNSET


class ErrorDetail(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(msgspec.Struct, frozen=True):
    error: ErrorDetail


class Analysis(msgspec.Struct, frozen=True):
    """The answer about one image; either analysis or error is given."""

    index: int
    image_url: str
    analysis: str | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    inference_time_ms: int = 0
    error: ErrorDetail | None = None


class AnalyzeSummary(msgspec.Struct, frozen=True):
    """The last event of a streamed batch, after one event for each image."""

    model: str
    succeeded: int
    failed: int
    usage: Usage
    total_inference_time_ms: int


class AnalyzeResponse(msgspec.Struct, frozen=True):
    model: str
    results: list[Analysis]
    usage: Usage
    total_inference_time_ms: int


class ContextSize(msgspec.Struct, frozen=True):
    n_ctx: int | None


class Architecture(msgspec.Struct, frozen=True):
    input_modalities: tuple[str, ...] = ("text", "image")
    output_modalities: tuple[str, ...] = ("text",)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's Model object, with the extra fields by which clients size their prompts.

    The context's size is null until the model has been loaded once.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "hailo-vision"
    max_model_len: int | None
    meta: ContextSize
    architecture: Architecture = Architecture()
    aliases: tuple[str, ...]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Model]
