"""The messages between the front process and the NPU process, over one local stream socket.

A message is a 4-byte big-endian length and that many bytes of MessagePack, decoded into one of the
types below and nothing else. The frames of a Generate follow it as raw bytes, so that the receiver
can read them straight into the arrays that the model gets.

There is one generation at a time. Its events are Started, Pieces and Ended, or Refused alone; whatever comes
after the last event belongs to the next Generate, so none of them needs a number.
"""

from typing import Any

import msgspec

PROTOCOL = 7
MAX_MESSAGE_BYTES = 8 * 1024 * 1024

LENGTH_BYTES = 4


class ProtocolError(Exception):
    """The other side sent something that is no message of this protocol."""


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


class Problem(msgspec.Struct, frozen=True):
    """Why the NPU can't do its work, for people and for the supervisor.

    Attributes:
        code: a stable identifier, such as "device_busy".
        message: the cause.
        cure: what an operator does about it.
        recovery: "retry" where a new process may help, "hef" where only another model file can,
            "never" where nothing short of the cure helps.
        status: HailoRT's numeric status (hailort.h, hailo_status), if one was reported.
        detail: the last lines that the NPU process wrote to stderr.
    """

    code: str
    message: str
    cure: str
    recovery: str = "retry"
    status: int | None = None
    detail: str = ""


class ModelInfo(msgspec.Struct, frozen=True):
    """What the loaded model and the runtime say of themselves.

    Attributes:
        frame_shape: (height, width, channels) of one uint8 frame.
        context_length: tokens that the context holds.
        frame_tokens: context tokens that one frame takes.
        max_frames: frames that one prompt may have, as far as the model and its context go.
        load_seconds: how long the device and the model took to open.
    """

    prompt_template: str
    frame_shape: tuple[int, int, int]
    context_length: int
    frame_tokens: int
    max_frames: int
    runtime_version: str
    emulated: bool
    hef_path: str
    load_seconds: float


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are picked, in the terms that every model server uses.

    Attributes:
        temperature: 0 or more; 0 takes the likeliest token each time.
        top_p: 0 to 1; 0 takes the likeliest token each time.
        top_k: how many tokens are in the choice; 0 or less for all of them.
        repetition_penalty: multiplicative, above 0; 1.0 is off.
        seed: any integer, or None for a random one.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int | None = None


class Load(_Message, frozen=True):
    """Open the device and load the model; beat: seconds from one sign of life to the next while idle."""

    hef_path: str
    device_group: str
    device_nodes: tuple[str, ...]
    beat: float = 5.0


class Generate(_Message, frozen=True):
    """Start one generation; `frames` frames of ModelInfo.frame_shape follow as raw bytes.

    max_tokens is clamped to what the context still holds. context_key names whose conversation this is:
    only what was cached under the same key is reused, and nothing under None.
    """

    prompt: str
    frames: int
    sampling: Sampling
    max_tokens: int
    context_key: str | None


class Abort(_Message, frozen=True):
    """End the running generation; without effect if it has just ended."""


class Hello(_Message, frozen=True):
    protocol: int


class Loaded(_Message, frozen=True):
    model: ModelInfo


class Started(_Message, frozen=True):
    """The prompt fits and is being prefilled; counts are tokens."""

    prompt_tokens: int
    image_tokens: int
    cached_tokens: int


class Progress(_Message, frozen=True):
    """A part of a long prompt has been prefilled."""


class Refused(_Message, frozen=True):
    """The prompt does not fit; nothing was sent to the model."""

    prompt_tokens: int
    context_length: int


class Pieces(_Message, frozen=True):
    """The texts of the next tokens, each empty where a character is still incomplete."""

    texts: list[str]


class Ended(_Message, frozen=True):
    """The generation is over and the NPU is free: "stop", "length" or "aborted"."""

    reason: str


class Failed(_Message, frozen=True):
    """Loading or generating failed; after it the process ends."""

    problem: Problem


class Alive(_Message, frozen=True):
    """A sign of life of an idle process, every Load.beat seconds."""


ToNpu = Load | Generate | Abort
GenerationEvent = Started | Refused | Pieces | Ended
FromNpu = Hello | Loaded | Failed | Alive | Progress | GenerationEvent

_encoder = msgspec.msgpack.Encoder()
to_npu = msgspec.msgpack.Decoder(ToNpu)
from_npu = msgspec.msgpack.Decoder(FromNpu)


def is_end(event: GenerationEvent) -> bool:
    """Whether an event is the last one of its generation."""
    return isinstance(event, Refused | Ended)


def encode(message: ToNpu | FromNpu) -> bytes:
    """The message with its length in front."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES) + body


def body_length(prefix: bytes | bytearray) -> int:
    """The length that a message's first LENGTH_BYTES bytes announce.

    Raises:
        ProtocolError: it is more than any message has.
    """
    length = int.from_bytes(prefix)
    if length > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {length} bytes was announced, {MAX_MESSAGE_BYTES} is the limit")
    return length


def next_message(received: bytearray) -> FromNpu | None:
    """Take the first message out of what was received; None while it is not complete.

    Raises:
        ProtocolError: there is none that is known.
    """
    if len(received) < LENGTH_BYTES:
        return None
    end = LENGTH_BYTES + body_length(received[:LENGTH_BYTES])
    if len(received) < end:
        return None
    message: FromNpu = decode(received[LENGTH_BYTES:end], from_npu)
    del received[:end]
    return message


def decode(body: bytes | bytearray, decoder: "msgspec.msgpack.Decoder[Any]") -> Any:
    """The message that a body holds.

    Raises:
        ProtocolError: it holds none that the decoder knows.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"an undecodable message: {error}") from error
