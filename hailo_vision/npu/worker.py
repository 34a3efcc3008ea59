"""The NPU process's loop: one message in, pieces of text out."""

from collections.abc import Sequence

from hailo_vision.npu import messages
from hailo_vision.npu.channel import Channel
from hailo_vision.npu.context import Ledger, digest
from hailo_vision.npu.device import STOP_TOKENS, Completion, Model
from hailo_vision.npu.messages import Abort, Ended, Generate, Load, Piece, Ping, Pong, Refused, Started

_READ_MS = 100


class Worker:
    """Serves one loaded model over one channel."""

    def __init__(self, channel: Channel, model: Model) -> None:
        self._channel = channel
        self._model = model
        self._ledger = Ledger()

    def run(self) -> None:
        while True:
            match self._channel.receive():
                case Generate() as request:
                    self._generate(request)
                case Ping(number):
                    self._channel.send(Pong(number))
                case Abort():  # crossed the end of the generation that it was meant for
                    pass
                case Load():
                    raise messages.ProtocolError("a second Load")

    def _generate(self, request: Generate) -> None:
        shape = self._model.info.frame_shape
        frames = [self._channel.receive_frame(shape) for _ in range(request.frames)]
        prompt_tokens = self._model.count_tokens(request.prompt, len(frames))
        room = self._model.info.context_length - prompt_tokens
        if room < 1:
            self._channel.send(Refused(request.id, prompt_tokens, self._model.info.context_length))
            return
        digests = [digest(frame.data.cast("B")) for frame in frames]
        prompt, first_frame, cached = self._reuse(request, digests, prompt_tokens)
        max_tokens = min(request.max_tokens, room)
        image_tokens = len(frames) * self._model.info.frame_tokens
        self._channel.send(Started(request.id, prompt_tokens, image_tokens, cached, max_tokens))
        self._ledger.forget()
        if self._abort_requested(request.id):
            self._channel.send(Ended(request.id, "aborted"))
            return
        completion = self._model.generate(prompt, frames[first_frame:], request.sampling, max_tokens)
        try:
            pieces = self._stream(request.id, completion, max_tokens)
        except EOFError:
            completion.release()
            raise
        completion.release()
        if pieces is None:
            self._channel.send(Ended(request.id, "aborted"))
            return
        self._ledger.record(request.context_key, request.prompt, digests, prompt_tokens, pieces)
        self._channel.send(Ended(request.id, "stop" if pieces[-1] in STOP_TOKENS else "length"))

    def _reuse(self, request: Generate, digests: Sequence[bytes], prompt_tokens: int) -> tuple[str, int, int]:
        """Prompt and first frame still to send, and the tokens that the context already holds.

        A text can be cut into tokens in more than one way: only if the counts agree does the context
        hold the tokens that the whole prompt has.
        """
        rest = self._ledger.rest_of(request.prompt, digests, request.context_key)
        if rest is not None:
            cached = self._ledger.tokens
            new_frames = len(digests) - rest.first_frame
            if cached + self._model.count_tokens(rest.prompt, new_frames) == prompt_tokens:
                return rest.prompt, rest.first_frame, cached
        self._model.clear_context()
        return request.prompt, 0, 0

    def _stream(self, generation: int, completion: Completion, max_tokens: int) -> list[str] | None:
        """Send on the pieces as they come; None if the generation was aborted.

        After max_tokens pieces HailoRT delivers its recovery sequence, which is no part of the answer
        (llm_server.cpp, apply_recovery_sequence).
        """
        pieces: list[str] = []
        while not self._abort_requested(generation):
            piece = completion.read(_READ_MS)
            if piece is None:
                continue
            if len(pieces) < max_tokens:
                pieces.append(piece)
                if piece not in STOP_TOKENS:
                    self._channel.send(Piece(generation, piece))
            if not completion.running:
                return pieces
        return None

    def _abort_requested(self, generation: int) -> bool:
        while self._channel.has_message():
            match self._channel.receive():
                case Abort(number) if number == generation:
                    return True
                case Ping(number):
                    self._channel.send(Pong(number))
                case other:
                    raise messages.ProtocolError(f"{type(other).__name__} during a generation")
        return False
