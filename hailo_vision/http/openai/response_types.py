"""OpenAI's Responses API as types: what its clients send, and what they get."""

from typing import Annotated, Any, Literal

import msgspec

from hailo_vision.http.fields import MOST_MESSAGES
from hailo_vision.http.openai.request_types import GenerationFields, Limit
from hailo_vision.inference.answer import JsonReport


class TextOptions(msgspec.Struct, frozen=True):
    """`text` of a request: the form of the answer; verbosity is ignored."""

    format: dict[str, Any] | None = None


class ResponsesRequest(GenerationFields, frozen=True, kw_only=True):
    """Body of POST /v1/responses.

    Items of the input are read one by one: most of their kinds have no use here. What needs something to be
    stored is refused; fields that OpenAI knows and that have no use here are ignored.
    """

    input: str | Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=MOST_MESSAGES)]
    instructions: str | None = None
    max_output_tokens: Limit | None = None
    text: TextOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    top_logprobs: int | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    background: bool | None = None
    prompt: str | dict[str, Any] | None = None
    response_format: Any = None
    format: Any = None
    images: Any = None
    image: Any = None
    image_data: Any = None
    image_url: Any = None
    messages: Any = None


Status = Literal["in_progress", "completed", "incomplete", "failed"]


class OutputText(msgspec.Struct, frozen=True, tag="output_text", kw_only=True):
    text: str = ""
    annotations: tuple[()] = ()
    logprobs: tuple[()] = ()


class OutputMessage(msgspec.Struct, frozen=True, tag="message", kw_only=True):
    id: str
    status: Status
    role: Literal["assistant"] = "assistant"
    content: tuple[OutputText, ...] = ()


class FunctionCallItem(msgspec.Struct, frozen=True, tag="function_call", kw_only=True):
    """arguments is JSON text."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


OutputItem = OutputMessage | FunctionCallItem


class InputTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int


class OutputTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int = 0


class ResponseUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class IncompleteDetails(msgspec.Struct, frozen=True):
    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ResponseError(msgspec.Struct, frozen=True):
    code: str
    message: str


class Reasoning(msgspec.Struct, frozen=True):
    effort: None = None
    summary: None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The response object. Nothing is stored here, so `store` is false whatever was asked."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    background: Literal[False] = False
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None
    max_output_tokens: int | None
    model: str
    output: tuple[OutputItem, ...] = ()
    parallel_tool_calls: bool = False
    previous_response_id: None = None
    reasoning: Reasoning = Reasoning()
    store: Literal[False] = False
    temperature: float
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_p: float
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None = None
    user: None = None
    metadata: dict[str, Any]
    json_report: JsonReport | msgspec.UnsetType = msgspec.UNSET
