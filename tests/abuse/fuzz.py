"""Coverage-guided fuzzing of what reads bytes from outside: `make fuzz`, or

    python -m tests.abuse.fuzz TARGET [libFuzzer options] [CORPUS ...]

A target lets only its own module's error for bad input pass; whatever else escapes is a finding, and
libFuzzer writes the input to a file crash-*.
"""

import sys
from collections.abc import Callable
from typing import TypeVar, cast

import atheris

with atheris.instrument_imports(include=["hailo_vision"]):
    from hailo_vision import config
    from hailo_vision.config import ApiConfig, MediaConfig
    from hailo_vision.errors import RequestError
    from hailo_vision.http import body
    from hailo_vision.http.ollama.reading import options_of, turns_of_chat, turns_of_generate
    from hailo_vision.http.ollama.request_types import ChatRequest as OllamaChat
    from hailo_vision.http.ollama.request_types import GenerateRequest
    from hailo_vision.http.openai.reading import image_of, turns_of
    from hailo_vision.http.openai.request_types import AnalyzeRequest, ChatRequest
    from hailo_vision.images.decode import to_frame
    from hailo_vision.images.inline import decode_inline, is_link
    from hailo_vision.npu import protocol
    from hailo_vision.npu.protocol import ProtocolError

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


class Finding(Exception):
    """An error was told as it must not be."""


def require(fine: bool, text: str) -> None:
    if not fine:
        raise Finding(text)


_LIMITS = MediaConfig(max_image_pixels=1_000_000)
_chat = msgspec.json.Decoder(ChatRequest)
_analyze = msgspec.json.Decoder(AnalyzeRequest)
_ollama_chat = msgspec.json.Decoder(OllamaChat)
_generate = msgspec.json.Decoder(GenerateRequest)


def decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """A body, which is so small here that nothing is waited for."""
    try:
        body.decode(data, decoder).send(None)
    except StopIteration as done:
        return cast(T, done.value)
    raise Finding("a small body is decoded at once")


def request(data: bytes) -> None:
    """A body, as far as its turns and images."""
    try:
        turns_of({str(n): message for n, message in enumerate(decode(data, _chat).messages)})
    except RequestError as error:
        require(len(error.message) < 1000, error.message)
    try:
        asked = decode(data, _ollama_chat)
        turns_of_chat(asked)
        options_of(asked, ApiConfig(), 200)
    except RequestError as error:
        require(len(error.message) < 1000, error.message)
    try:
        turns_of_generate(decode(data, _generate), "m")
    except RequestError as error:
        require(len(error.message) < 1000, error.message)
    try:
        for image in decode(data, _analyze).images:
            if not isinstance(image, str):
                image_of(image, "images[0]")
    except RequestError:
        return


def image(data: bytes) -> None:
    """An image as text, data URI or base64, and as bytes."""
    text = data.decode("utf-8", "replace")
    for inline in (True, False):
        if inline and is_link(text):
            continue
        try:
            frame = to_frame(decode_inline(text, _LIMITS) if inline else data, (336, 336, 3), _LIMITS)
            require(frame.shape == (336, 336, 3), str(frame.shape))
        except RequestError as error:
            require(len(error.message) < 300 and "0x" not in error.message, error.message)


def settings(data: bytes) -> None:
    """The operator's file."""
    try:
        config.parse(data.decode("utf-8", "replace"), "file")
    except config.ConfigError as error:
        require(str(error).startswith("file"), str(error))


def message(data: bytes) -> None:
    """What one process may hear from the other."""
    for decoder in (protocol.to_npu, protocol.from_npu):
        try:
            if len(data) >= protocol.LENGTH_BYTES:
                protocol.body_length(data[: protocol.LENGTH_BYTES])
            protocol.decode(data, decoder)
        except ProtocolError:
            continue


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (request, image, settings, message)
}


def main() -> None:
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
