"""What Ollama's clients read, as types (ollama/ollama, api/types.go); description.py explains the fields.

Durations are whole nanoseconds, times RFC 3339 with a zone.
"""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

Capability = Literal["completion", "vision"]
DoneReason = Literal["stop", "length", "load", "unload"]


class ErrorResponse(msgspec.Struct, frozen=True):
    error: str


class ReplyMessage(msgspec.Struct, frozen=True):
    """The assistant's words."""

    content: str
    role: Literal["assistant"] = "assistant"


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a stream, or a whole answer; done is true in the last line, which has all the rest."""

    model: str
    created_at: datetime
    done: bool = False
    done_reason: DoneReason | UnsetType = UNSET
    total_duration: int | UnsetType = UNSET
    load_duration: int | UnsetType = UNSET
    prompt_eval_count: int | UnsetType = UNSET
    prompt_eval_duration: int | UnsetType = UNSET
    eval_count: int | UnsetType = UNSET
    eval_duration: int | UnsetType = UNSET


class ChatReply(_Reply, frozen=True, kw_only=True):
    """Answer of POST /api/chat."""

    message: ReplyMessage


class GenerateReply(_Reply, frozen=True, kw_only=True):
    """Answer of POST /api/generate."""

    response: str


class Version(msgspec.Struct, frozen=True):
    """The version of Ollama whose API this is: clients ask for it to know what they may send."""

    version: str


class ModelDetails(msgspec.Struct, frozen=True):
    """What a model is, as compiled for the Hailo-10H; A8W4: activations of 8 bits, weights of 4."""

    family: str
    families: tuple[str, ...]
    parameter_size: str
    quantization_level: str
    parent_model: str = ""
    format: str = "hef"


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that can be asked; its digest has 64 hexadecimal digits."""

    name: str
    model: str
    modified_at: datetime
    size: int
    digest: str
    details: ModelDetails
    capabilities: tuple[Capability, ...] = ("completion", "vision")


class Tags(msgspec.Struct, frozen=True):
    """Answer of GET /api/tags."""

    models: list[ListedModel]


class LoadedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is on the NPU now."""

    name: str
    model: str
    size: int
    digest: str
    expires_at: datetime
    size_vram: int
    context_length: int
    details: ModelDetails


class Running(msgspec.Struct, frozen=True):
    """Answer of GET /api/ps."""

    models: list[LoadedModel]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of POST /api/show; there is no Modelfile, and the template is the service's own matter."""

    modelfile: str = ""
    parameters: str = ""
    template: str = ""
    details: ModelDetails
    model_info: dict[str, str | int]
    capabilities: tuple[Capability, ...] = ("completion", "vision")
    modified_at: datetime


class Progress(msgspec.Struct, frozen=True):
    """Answer of POST /api/pull, and each line of its stream."""

    status: str
