"""What Ollama's clients read, as types (ollama/ollama, api/types.go).

Durations are whole nanoseconds, times RFC 3339 with a zone.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Struct, UnsetType

from hailo_vision.http.openapi import doc

DoneReason = Literal["stop", "length", "load", "unload"]
_Capabilities = Annotated[tuple[Literal["completion", "vision"], ...], doc("What the model can do.")]
_ModifiedAt = Annotated[datetime, doc("When the model file was written.")]
_Empty = Annotated[str, doc("Always empty.")]


class ErrorResponse(Struct, frozen=True):
    error: Annotated[str, doc("What is wrong, as a sentence.")]


class ReplyMessage(Struct, frozen=True):
    """The assistant's words."""

    content: Annotated[str, doc("The text.")]
    role: Literal["assistant"] = "assistant"


class _Reply(Struct, frozen=True, kw_only=True):
    """One line of a stream, or a whole answer; done is true in the last line, which has all the rest."""

    model: Annotated[str, doc("The model's name, as it was asked for.")]
    created_at: datetime
    done: Annotated[bool, doc("Whether this is the last line.")] = False
    done_reason: Annotated[DoneReason | UnsetType, doc("Why it ended, or what became of the model.")] = UNSET
    total_duration: Annotated[int | UnsetType, doc("Nanoseconds since the request came.")] = UNSET
    load_duration: Annotated[int | UnsetType, doc("Nanoseconds of waiting for a model to be loaded.")] = UNSET
    prompt_eval_count: Annotated[int | UnsetType, doc("Tokens of the prompt.")] = UNSET
    prompt_eval_duration: Annotated[int | UnsetType, doc("Nanoseconds until the first token.")] = UNSET
    eval_count: Annotated[int | UnsetType, doc("Tokens of the answer.")] = UNSET
    eval_duration: Annotated[int | UnsetType, doc("Nanoseconds from first to last token.")] = UNSET


class ChatReply(_Reply, frozen=True, kw_only=True):
    """Answer of POST /api/chat."""

    message: Annotated[ReplyMessage, doc("The assistant's words.")]


class GenerateReply(_Reply, frozen=True, kw_only=True):
    """Answer of POST /api/generate."""

    response: Annotated[str, doc("The text of the answer.")]


class Version(Struct, frozen=True):
    """The version of Ollama whose API this is: clients ask for it to know what they may send."""

    version: Annotated[str, doc("The version of Ollama whose API this is.")]


class ModelDetails(Struct, frozen=True):
    """What a model is, as compiled for the Hailo-10H; A8W4: activations of 8 bits, weights of 4."""

    family: Annotated[str, doc("Family of models.")]
    families: Annotated[tuple[str, ...], doc("The same as a list.")]
    parameter_size: Annotated[str, doc("Number of parameters.")]
    quantization_level: Annotated[str, doc("Bits of activations and weights.")]
    parent_model: _Empty = ""
    format: Annotated[str, doc("Form of the model file.")] = "hef"


_Details = Annotated[ModelDetails, doc("What the model is.")]
_Name = Annotated[str, doc("Name of the model.")]
_Size = Annotated[int, doc("Bytes of the model file; 0 while there is none.")]
_Digest = Annotated[str, doc("SHA-256 of the model file or, until that is known, of its name.")]


class ListedModel(Struct, frozen=True, kw_only=True):
    """A model that can be asked; its digest has 64 hexadecimal digits."""

    name: _Name
    model: _Name
    modified_at: _ModifiedAt
    size: _Size
    digest: _Digest
    details: _Details
    capabilities: _Capabilities = ("completion", "vision")


class Tags(Struct, frozen=True):
    """Answer of GET /api/tags."""

    models: Annotated[list[ListedModel], doc("The models.")]


class LoadedModel(Struct, frozen=True, kw_only=True):
    """A model that is on the NPU now."""

    name: _Name
    model: _Name
    size: _Size
    digest: _Digest
    expires_at: Annotated[datetime, doc("When the model will be unloaded if nothing is asked of it.")]
    size_vram: Annotated[int, doc("Bytes of the model on the accelerator.")]
    context_length: Annotated[int, doc("Tokens that the context holds.")]
    details: _Details


class Running(Struct, frozen=True):
    """Answer of GET /api/ps."""

    models: Annotated[list[LoadedModel], doc("The models.")]


class Description(Struct, frozen=True, kw_only=True):
    """Answer of POST /api/show; there is no Modelfile, and the template is the service's own matter."""

    modelfile: _Empty = ""
    parameters: _Empty = ""
    template: _Empty = ""
    details: _Details
    model_info: Annotated[dict[str, str | int], doc("Architecture and context of the model.")]
    capabilities: _Capabilities = ("completion", "vision")
    modified_at: _ModifiedAt


class Progress(Struct, frozen=True):
    """Answer of POST /api/pull, and each line of its stream."""

    status: Annotated[str, doc("How far it is.")]
