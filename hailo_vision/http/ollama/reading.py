"""Makes the neutral request of Ollama's bodies."""

from collections.abc import Sequence
from typing import Any

from hailo_vision.config import ApiConfig
from hailo_vision.errors import Kind, RequestError
from hailo_vision.http.body import invalid, unsupported
from hailo_vision.http.fields import check_size, keep_alive_of, limit_of, refuse_others, whole_of
from hailo_vision.http.ollama.request_types import ChatRequest, GenerateRequest, GenerationFields, Options
from hailo_vision.inference.request import Image, JsonFormat, Turn

# Ollama itself never cuts an answer, so its clients can't tell half a JSON text from a bad one.
_LEAST_JSON_TOKENS = 512
_TO_THE_END = 2**31  # tokens: more than any context holds


def turns_of_chat(body: ChatRequest) -> list[Turn]:
    """The conversation of a chat request; empty for one that only loads or unloads the model. System
    messages, wherever they stand, become the one system turn that the model's template has a place for.

    Raises:
        RequestError: an image stands where none is read.
    """
    # LLM Vision sends an empty prompt and the images of its message a second time.
    doubled = any(message.images for message in body.messages or ())
    refuse_others(body, ignored=("images",) if doubled else ())
    check_size((message.images for message in body.messages or ()), "messages")
    system: list[str] = []
    turns: list[Turn] = []
    for number, message in enumerate(body.messages or ()):
        where = f"messages[{number}]"
        refuse_others(message, f"{where}.")
        if message.role in ("system", "assistant"):
            if message.images:
                raise invalid(f"{where}.images", "only messages of users and tools carry images")
            if message.role == "system":
                system.append(message.content or "")
            else:
                turns.append(Turn("assistant", [message.content or ""]))
        else:
            turns.append(_user_turn(message.content, message.images, f"{where}.images"))
    if system:
        turns.insert(0, Turn("system", ["\n\n".join(system)]))
    return turns


def turns_of_generate(body: GenerateRequest, model: str) -> list[Turn]:
    """The one question of a generate request; empty for one that only loads or unloads the model.

    Args:
        model: the name that was asked for, for errors.

    Raises:
        RequestError: the body asks for what this model can't.
    """
    refuse_others(body)
    if body.suffix:
        raise unsupported("suffix", f"{model!r} does not support insert")
    if body.raw:
        raise unsupported("raw", "Prompts are always rendered here: raw can't be true.")
    if not body.prompt and not body.images:
        return []
    system = [Turn("system", [body.system])] if body.system else []
    return [*system, _user_turn(body.prompt, body.images, "images")]


def options_of(body: GenerationFields, api: ApiConfig, default_tokens: int) -> dict[str, Any]:
    """The fields of a GenerationRequest that stand beside the conversation.

    Args:
        default_tokens: the longest answer where the client says nothing.

    Raises:
        RequestError: one has a value that can't be used, or asks for what the NPU can't.
    """
    if body.logprobs:
        raise unsupported("logprobs", "The NPU gives no log probabilities: logprobs can't be true.")
    options = body.options or Options()
    json = _json_format_of(body, api)
    tokens = limit_of(options.num_predict, "options.num_predict")
    if tokens is None:
        tokens = max(default_tokens, _LEAST_JSON_TOKENS) if json else default_tokens
    top_k = limit_of(options.top_k, "options.top_k")
    seed = whole_of(options.seed, "options.seed")
    stop = [options.stop] if isinstance(options.stop, str) else options.stop or ()
    return {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": None if top_k is None else max(0, top_k),
        "repetition_penalty": options.repeat_penalty,
        # -1 is Ollama's word for a random one; a seed of more than 64 bits is folded.
        "seed": None if seed is None or seed == -1 else seed % 2**64,
        "max_tokens": tokens if tokens > 0 else _TO_THE_END,
        "stop": [one for one in stop if one],
        "json": json,
        "keep_alive": keep_alive_of(body.keep_alive),
    }


def _user_turn(text: str | None, images: Sequence[str] | None, where: str) -> Turn:
    named = [Image(source, f"{where}[{number}]") for number, source in enumerate(images or ())]
    return Turn("user", [*named, text or ""])


def _json_format_of(body: GenerationFields, api: ApiConfig) -> JsonFormat | None:
    wanted = body.format
    if wanted is None or wanted == "":
        return None
    if isinstance(wanted, str) and wanted != "json":
        raise invalid("format", f'expected "json" or a JSON schema, got {wanted[:40]!r}')
    if api.json_mode == "refuse":
        raise unsupported("format", "Invalid parameter: 'format' is not supported with this model.")
    return JsonFormat(None, "format") if isinstance(wanted, str) else _schema_of(wanted)


def _schema_of(wanted: dict[str, Any]) -> JsonFormat:
    """A schema as it is, or in OpenAI's wrapping, whose types no JSON schema can have."""
    if wanted.get("type") not in ("json_object", "json_schema"):
        return JsonFormat(wanted, "format")
    where = "format.json_schema" if "json_schema" in wanted else "format"
    wrapped = wanted.get("json_schema", wanted)
    schema = wrapped.get("schema") if isinstance(wrapped, dict) else None
    if isinstance(schema, dict) or (schema is None and wanted["type"] == "json_object"):
        return JsonFormat(schema, f"{where}.schema")
    message = f"Invalid 'format': OpenAI's form of it needs a JSON schema in '{where}.schema'."
    raise RequestError(Kind.INVALID_VALUE, message, where=f"{where}.schema")
