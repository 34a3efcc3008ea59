"""What the service sends, as types; field names and order are OpenAI's, extras come last."""

from collections.abc import Sequence
from typing import Literal

import msgspec

FinishReason = Literal["stop", "length"]


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


def total(usages: Sequence[Usage]) -> Usage:
    """What several generations used together."""
    details = [usage.prompt_tokens_details for usage in usages]
    return Usage(
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.completion_tokens for usage in usages),
        sum(usage.total_tokens for usage in usages),
        PromptTokensDetails(
            cached_tokens=sum(detail.cached_tokens for detail in details),
            image_tokens=sum(detail.image_tokens for detail in details),
            text_tokens=sum(detail.text_tokens for detail in details),
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


class Performance(msgspec.Struct, frozen=True):
    inference_time_ms: int
    load_time_ms: int


class JsonReport(msgspec.Struct, frozen=True):
    """How a request for JSON came out: it is asked for and checked, not enforced.

    Attributes:
        valid: the content is JSON and fits the schema.
        repaired: it is not, word for word, what the model wrote.
        attempts: how often the model was asked.
        problem: what is wrong with the content if it is not valid.
    """

    valid: bool
    repaired: bool
    attempts: int
    problem: str | None


class AssistantReply(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    annotations: tuple[()] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    index: Literal[0] = 0
    message: AssistantReply
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[Choice]
    usage: Usage
    system_fingerprint: str
    timings: Timings
    performance: Performance
    json_report: JsonReport | msgspec.UnsetType = msgspec.UNSET


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: Literal[0] = 0
    delta: Delta
    logprobs: None = None
    finish_reason: FinishReason | None = None


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


class ProblemReport(msgspec.Struct, frozen=True):
    """Why the NPU can't work, and what an operator does about it."""

    code: str
    message: str
    cure: str


class Device(msgspec.Struct, frozen=True):
    """emulated is null until the model has been loaded once."""

    path: str | None
    group: str
    emulated: bool | None


class Versions(msgspec.Struct, frozen=True):
    hailo_vision: str
    hailort: str | None


class Queue(msgspec.Struct, frozen=True):
    running: int
    waiting: int
    size: int


class Transfer(msgspec.Struct, frozen=True):
    """How far the model file is that is being fetched."""

    bytes_done: int
    bytes_total: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """200 as long as the service lives; state and problem tell the rest."""

    status: Literal["ok"] = "ok"
    live: Literal[True] = True
    state: str
    model: str
    model_loaded: bool
    uptime_seconds: float
    problem: ProblemReport | None
    fetch: Transfer | None
    device: Device
    versions: Versions
    queue: Queue
    loads: int
    npu_pid: int | None


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    ready: bool
    reason: str | None = None
