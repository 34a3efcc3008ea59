"""What OpenAI's clients get, as types; field names and order are OpenAI's, extras come last."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Struct, UnsetType

from hailo_vision.http.openapi import doc
from hailo_vision.inference import answer
from hailo_vision.inference.answer import FinishReason, JsonReport

ChatFinish = Literal["stop", "length", "tool_calls"]
Status = Literal["in_progress", "completed", "incomplete", "failed"]
_Zero = Annotated[int, doc("Always 0.")]
_Null = Annotated[None, doc("Always null.")]
_Nothing = Annotated[tuple[()], doc("Always empty.")]
_Prompt = Annotated[int, doc("Tokens of the prompt.")]
_Answer = Annotated[int, doc("Tokens of the answer.")]
_Sum = Annotated[int, doc("Tokens of prompt and answer.")]
_Cached = Annotated[int, doc("Tokens that the NPU still held and did not compute again.")]
_Arguments = Annotated[str, doc("The arguments of the call as JSON text.")]


class PromptTokensDetails(Struct, frozen=True):
    cached_tokens: _Cached
    image_tokens: Annotated[int, doc("Tokens that stand for images.")]
    text_tokens: Annotated[int, doc("Tokens of text.")]
    audio_tokens: _Zero = 0


class CompletionTokensDetails(Struct, frozen=True):
    reasoning_tokens: _Zero = 0
    audio_tokens: _Zero = 0
    accepted_prediction_tokens: _Zero = 0
    rejected_prediction_tokens: _Zero = 0


class Usage(Struct, frozen=True):
    prompt_tokens: _Prompt
    completion_tokens: _Answer
    total_tokens: _Sum
    prompt_tokens_details: Annotated[PromptTokensDetails, doc("What the prompt's tokens are.")]
    completion_tokens_details: Annotated[CompletionTokensDetails, doc("What the answer's tokens are.")] = (
        CompletionTokensDetails()
    )


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


class Timings(Struct, frozen=True):
    """llama.cpp's names and meanings (tools/server, slot timings); milliseconds. queue_ms is ours."""

    cache_n: Annotated[int, doc("Tokens of the prompt that were found in the NPU's context.")]
    prompt_n: Annotated[int, doc("Tokens of the prompt that were computed.")]
    prompt_ms: Annotated[float, doc("Milliseconds from the start on the NPU to the first token.")]
    prompt_per_token_ms: Annotated[float, doc("The same for each token of the prompt.")]
    prompt_per_second: Annotated[float, doc("Tokens of the prompt a second.")]
    predicted_n: _Answer
    predicted_ms: Annotated[float, doc("Milliseconds from the first token to the last.")]
    predicted_per_token_ms: Annotated[float, doc("Milliseconds for each token after the first.")]
    predicted_per_second: Annotated[float, doc("Tokens a second after the first.")]
    queue_ms: Annotated[float, doc("Milliseconds of waiting for the NPU.")]


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
        queue_ms=spent.queue * 1000,
    )


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


class FunctionCall(Struct, frozen=True):
    name: str
    arguments: _Arguments


class ToolCall(Struct, frozen=True, kw_only=True):
    """A call; in a stream it has its place among the calls."""

    index: Literal[0] | UnsetType = UNSET
    id: str
    type: Literal["function"] = "function"
    function: Annotated[FunctionCall, doc("The function that is called.")]


class AssistantReply(Struct, frozen=True, kw_only=True):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: _Null = None
    annotations: _Nothing = ()
    tool_calls: Annotated[tuple[ToolCall, ...] | UnsetType, doc("The call that was forced.")] = UNSET
    function_call: Annotated[FunctionCall | UnsetType, doc("The older form of `tool_calls`.")] = UNSET


class Choice(Struct, frozen=True, kw_only=True):
    index: Literal[0] = 0
    message: Annotated[AssistantReply, doc("The answer.")]
    logprobs: _Null = None
    finish_reason: ChatFinish


class ChatCompletion(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: Annotated[tuple[Choice], doc("The one answer.")]
    usage: Usage
    system_fingerprint: str
    timings: Timings
    json_report: JsonReport | UnsetType = UNSET


class Delta(Struct, frozen=True, omit_defaults=True):
    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: Annotated[tuple[ToolCall, ...] | None, doc("The call that was forced.")] = None
    function_call: Annotated[FunctionCall | None, doc("The older form of `tool_calls`.")] = None


class ChunkChoice(Struct, frozen=True, kw_only=True):
    index: Literal[0] = 0
    delta: Annotated[Delta, doc("What this chunk adds to the answer.")]
    logprobs: _Null = None
    finish_reason: ChatFinish | None = None


class ChatChunk(Struct, frozen=True, kw_only=True):
    """One server-sent event of a stream.

    usage is left out unless the client asked for it; then it is null in all chunks but the last.
    """

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: Annotated[tuple[ChunkChoice, ...], doc("The one answer; empty in the chunk with the usage.")]
    system_fingerprint: str
    usage: Usage | UnsetType | None = UNSET
    timings: Timings | UnsetType = UNSET
    json_report: JsonReport | UnsetType = UNSET


class ErrorDetail(Struct, frozen=True):
    message: Annotated[str, doc("What is wrong and what was expected.")]
    type: Annotated[str, doc("Whose fault it is.")]
    param: Annotated[str | None, doc("Path of the field that is at fault.")]
    code: str | None


class ErrorResponse(Struct, frozen=True):
    error: ErrorDetail


class Analysis(Struct, frozen=True):
    """The answer about one image; either analysis or error is given."""

    index: int
    image_url: Annotated[str, doc("The beginning of the image as it was sent.")]
    analysis: Annotated[str | None, doc("The answer about this image; null if it failed.")] = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    inference_time_ms: Annotated[int, doc("Milliseconds that this image took.")] = 0
    error: ErrorDetail | None = None


class AnalyzeSummary(Struct, frozen=True):
    """The last event of a streamed batch, after one event for each image."""

    model: str
    succeeded: int
    failed: int
    usage: Usage
    total_inference_time_ms: int


class AnalyzeResponse(Struct, frozen=True):
    model: str
    results: Annotated[list[Analysis], doc("One result for each image, in order.")]
    usage: Usage
    total_inference_time_ms: Annotated[int, doc("Milliseconds that all images took.")]


class ContextSize(Struct, frozen=True):
    n_ctx: Annotated[int | None, doc("Tokens that the context holds.")]


class Architecture(Struct, frozen=True):
    input_modalities: Annotated[tuple[str, ...], doc("What it takes.")] = ("text", "image")
    output_modalities: Annotated[tuple[str, ...], doc("What it gives.")] = ("text",)


class Model(Struct, frozen=True, kw_only=True):
    """OpenAI's Model object, with the extra fields by which clients size their prompts."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Annotated[str, doc("Who serves it.")] = "hailo-vision"
    max_model_len: Annotated[int | None, doc("Tokens that the context holds; null until first loaded.")]
    meta: Annotated[ContextSize, doc("The same in llama.cpp's words.")]
    architecture: Annotated[Architecture, doc("What the model takes and gives.")] = Architecture()
    aliases: Annotated[tuple[str, ...], doc("Other names of the model.")]


class ModelList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: Annotated[list[Model], doc("The models.")]


class OutputText(Struct, frozen=True, tag="output_text", kw_only=True):
    text: str = ""
    annotations: _Nothing = ()
    logprobs: _Nothing = ()


class OutputMessage(Struct, frozen=True, tag="message", kw_only=True):
    id: str
    status: Status
    role: Literal["assistant"] = "assistant"
    content: tuple[OutputText, ...] = ()


class FunctionCallItem(Struct, frozen=True, tag="function_call", kw_only=True):
    id: str
    call_id: Annotated[str, doc("Identity of the call, for its result.")]
    name: str
    arguments: _Arguments
    status: Status


OutputItem = OutputMessage | FunctionCallItem


class InputTokensDetails(Struct, frozen=True):
    cached_tokens: _Cached


class OutputTokensDetails(Struct, frozen=True):
    reasoning_tokens: _Zero = 0


class ResponseUsage(Struct, frozen=True):
    input_tokens: _Prompt
    input_tokens_details: Annotated[InputTokensDetails, doc("What the prompt's tokens are.")]
    output_tokens: _Answer
    output_tokens_details: Annotated[OutputTokensDetails, doc("What the answer's tokens are.")]
    total_tokens: _Sum


class IncompleteDetails(Struct, frozen=True):
    reason: Annotated[Literal["max_output_tokens"], doc("It reached its limit.")] = "max_output_tokens"


class ResponseError(Struct, frozen=True):
    code: str
    message: Annotated[str, doc("What is wrong.")]


class Reasoning(Struct, frozen=True):
    effort: _Null = None
    summary: _Null = None


class Response(Struct, frozen=True, kw_only=True):
    """The response object. Nothing is stored here, so `store` is false whatever was asked."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    background: Annotated[Literal[False], doc("Always false: nothing is stored here.")] = False
    error: ResponseError | None = None
    incomplete_details: Annotated[IncompleteDetails | None, doc("Why the answer is cut; or null.")] = None
    instructions: str | None
    max_output_tokens: Annotated[int | None, doc("Longest answer in tokens, as it was asked for.")]
    model: str
    output: Annotated[tuple[OutputItem, ...], doc("The answer: a message, or the call that was forced.")] = ()
    parallel_tool_calls: Annotated[bool, doc("Always false.")] = False
    previous_response_id: _Null = None
    reasoning: Annotated[Reasoning, doc("Always empty: the model does not reason.")] = Reasoning()
    store: Annotated[Literal[False], doc("Always false: nothing is stored here.")] = False
    temperature: float
    text: Annotated[dict[str, Any], doc("The form of the answer.")]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_p: float
    truncation: Annotated[Literal["disabled"], doc("What does not fit is refused.")] = "disabled"
    usage: ResponseUsage | None = None
    user: _Null = None
    metadata: Annotated[dict[str, Any], doc("As the client sent it.")]
    json_report: JsonReport | UnsetType = UNSET
