"""The OpenAPI description of Ollama's API: its operations, and a sentence for each field."""

from hailo_vision.http.ollama import answer_types
from hailo_vision.http.ollama.request_types import ChatRequest, GenerateRequest, NamedModel
from hailo_vision.http.openapi import BODY_REFUSALS, GENERATION_REFUSALS, Description, Operation

_NDJSON = "application/x-ndjson"
_MODEL = "qwen2-vl-2b-instruct"

_FIELDS = {
    "model": "Name of the model or an alias, without case, with or without `:latest`.",
    "content": "The text.",
    "images": "Images as base64 or data URIs; they stand before the text.",
    "stream": "Whether the answer is sent in lines as it comes; true if it is left out.",
    "format": '"json", or the JSON schema that the answer is to fit, also as OpenAI wraps it.',
    "options": "How the answer is generated; options that have no use here are ignored.",
    "top_k": "So many of the likeliest tokens are in the choice; 0 or less leaves nothing out.",
    "seed": "Makes an answer repeatable; -1 for a random one.",
    "repeat_penalty": "Factor against tokens that came before; 1 is off.",
    "num_predict": "Longest answer in tokens; 0 or less for as many as the context holds.",
    "stop": "Strings that end the answer and are no part of it.",
    "prompt": "The question; without one the model is loaded, or unloaded with `keep_alive` 0.",
    "suffix": "Refused unless empty: the model does not insert.",
    "raw": "Refused where true: the model's own template is always used.",
    "image": "Refused: a field of another API.",
    "image_data": "Refused: a field of another API.",
    "image_url": "Refused: a field of another API.",
    "response_format": "Refused: a field of another API.",
    "input": "Refused: a field of another API.",
    "ChatRequest.prompt": "Refused: a field of /api/generate.",
    "ChatRequest.images": "Refused: images stand on the messages.",
    "GenerateRequest.messages": "Refused: a field of /api/chat.",
    "name": "Name of the model.",
    "NamedModel.name": "The older name of `model`.",
    "message": "The assistant's words.",
    "response": "The text of the answer.",
    "created_at": "When this was made.",
    "done": "Whether this is the last line.",
    "done_reason": "Why the answer ended, or that the model was loaded or unloaded.",
    "total_duration": "Nanoseconds since the request came.",
    "load_duration": "Nanoseconds of waiting for a model that had to be loaded.",
    "prompt_eval_count": "Tokens of the prompt.",
    "prompt_eval_duration": "Nanoseconds from the start on the NPU to the first token.",
    "eval_count": "Tokens of the answer.",
    "eval_duration": "Nanoseconds from the first token to the last.",
    "version": "The version of Ollama whose API this is.",
    "models": "The models.",
    "modified_at": "When the model file was written.",
    "size": "Bytes of the model file; 0 while there is none.",
    "digest": "SHA-256 of the model file or, until that is known, of its name.",
    "details": "What the model is.",
    "parent_model": "Always empty.",
    "family": "Family of models.",
    "families": "The same as a list.",
    "ModelDetails.format": "Form of the model file.",
    "parameter_size": "Number of parameters.",
    "quantization_level": "Bits of activations and weights.",
    "capabilities": "What the model can do.",
    "expires_at": "When the model will be unloaded if nothing is asked of it.",
    "size_vram": "Bytes of the model on the accelerator.",
    "context_length": "Tokens that the context holds.",
    "modelfile": "Always empty.",
    "parameters": "Always empty.",
    "template": "Always empty.",
    "model_info": "Architecture and context of the model.",
    "status": "How far it is.",
    "ErrorResponse.error": "What is wrong, as a sentence.",
}


def _named(summary: str, answer: type, event: type | None = None) -> Operation:
    """An operation whose body names the model."""
    example = {"model": _MODEL}
    return Operation(summary, "ollama", answer, NamedModel, example, event, _NDJSON, BODY_REFUSALS)


DESCRIPTION = Description(
    prefix="Ollama",
    error=answer_types.ErrorResponse,
    fields=_FIELDS,
    operations={
        ("post", "/api/chat"): Operation(
            "Answer a conversation",
            "ollama",
            answer_types.ChatReply,
            request=ChatRequest,
            example={"model": _MODEL, "messages": [{"role": "user", "content": "Hello"}], "stream": False},
            event=answer_types.ChatReply,
            stream=_NDJSON,
            refusals=GENERATION_REFUSALS,
        ),
        ("post", "/api/generate"): Operation(
            "Answer a question",
            "ollama",
            answer_types.GenerateReply,
            request=GenerateRequest,
            example={"model": _MODEL, "prompt": "Hello", "stream": False},
            event=answer_types.GenerateReply,
            stream=_NDJSON,
            refusals=GENERATION_REFUSALS,
        ),
        ("get", "/api/version"): Operation(
            "The version of Ollama whose API this is", "ollama", answer_types.Version
        ),
        ("get", "/api/tags"): Operation("The models", "ollama", answer_types.Tags),
        ("get", "/api/ps"): Operation("The models that are loaded", "ollama", answer_types.Running),
        ("post", "/api/show"): _named("What a model is", answer_types.Description),
        ("post", "/api/pull"): _named(
            "Pull a model: only the served one is available", answer_types.Progress, answer_types.Progress
        ),
    },
)
