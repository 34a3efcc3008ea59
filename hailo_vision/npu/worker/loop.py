"""The NPU process's loop: one message in, pieces of text out."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NoReturn

from hailo_vision.npu import protocol
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.worker.channel import Channel
from hailo_vision.npu.worker.device import STOP_TOKENS, Frame, Model, is_greedy
from hailo_vision.npu.worker.prefill import Part, Prefill
from hailo_vision.npu.worker.prefix_cache import PrefixCache, digest

_READ_MS = 100
# Pieces that come sooner after others are sent together; the chip takes twenty times as long for one.
_PACE_MS = 5


class Aborted(Exception):
    """The front process does not want the generation any more."""


class Worker:
    """Serves one loaded model over one channel."""

    def __init__(self, channel: Channel, model: Model) -> None:
        self._channel = channel
        self._model = model
        self._cache = PrefixCache()
        self._prefill = Prefill(model.tokenize, model.info.frame_tokens, model.frames_per_call)

    def run(self, beat: float) -> NoReturn:
        """Work until the front process hangs up (EOFError), with a sign of life every `beat` idle seconds."""
        while True:
            while not self._channel.has_message(beat):
                self._channel.send(protocol.Alive())
            match self._channel.receive():
                case protocol.Generate() as request:
                    self._generate(request)
                case protocol.Abort():  # crossed the end of the generation that it was meant for
                    pass
                case protocol.Load():
                    raise protocol.ProtocolError("a second Load")

    def _generate(self, request: protocol.Generate) -> None:
        info = self._model.info
        frames = [self._channel.receive_frame(info.frame_shape) for _ in range(request.frames)]
        tokens = self._model.tokenize(request.prompt)
        prompt_tokens = len(tokens) + len(frames) * (info.frame_tokens - 1)
        room = info.context_length - prompt_tokens
        if room < 1:
            self._channel.send(protocol.Refused(prompt_tokens, info.context_length))
            return
        digests = [digest(frame.data.cast("B")) for frame in frames]
        text, tokens, first_frame, cached = self._reuse(request, digests, tokens, prompt_tokens)
        max_tokens = min(request.max_tokens, room)
        image_tokens = len(frames) * info.frame_tokens
        self._channel.send(protocol.Started(prompt_tokens, image_tokens, cached))
        outbox = Outbox(self._channel)
        self._cache.clear()
        # The token that each part but the last generates stays in the penalty's history.
        parts = self._prefill.parts(text, tokens, few=request.sampling.repetition_penalty != 1.0)
        unsent = iter(frames[first_frame:])
        pieces: list[str] = []
        try:
            for part in parts[:-1]:
                for _ in self._call(part, unsent, protocol.Sampling(), 1, outbox):
                    pass  # nobody wants what a part generates
                self._channel.send(protocol.Progress())
            for piece in self._call(parts[-1], unsent, request.sampling, max_tokens, outbox):
                # After max_tokens pieces HailoRT delivers its recovery sequence, which is no part of the
                # answer (llm_server.cpp, apply_recovery_sequence).
                if len(pieces) < max_tokens:
                    pieces.append(piece)
                    if piece not in STOP_TOKENS:
                        outbox.add(piece, last=len(pieces) == max_tokens)
        except Aborted:
            outbox.end("aborted")
            return
        except NpuError:
            outbox.flush()
            raise
        self._cache.record(_context_key(request), request.prompt, digests, prompt_tokens, pieces)
        outbox.end("stop" if pieces[-1] in STOP_TOKENS else "length")

    def _reuse(
        self, request: protocol.Generate, digests: Sequence[bytes], tokens: list[int], prompt_tokens: int
    ) -> tuple[str, list[int], int, int]:
        """Text, its tokens and first frame still to send, and how many tokens the context already holds.

        A text can be cut into tokens in more than one way: only if the counts agree does the context
        hold the tokens that the whole prompt has.
        """
        suffix = self._cache.suffix_of(request.prompt, digests, _context_key(request))
        if suffix is not None:
            cached = self._cache.tokens
            new_frames = len(digests) - suffix.first_frame
            new_tokens = self._model.tokenize(suffix.text)
            frame_tokens = self._model.info.frame_tokens
            if cached + len(new_tokens) + new_frames * (frame_tokens - 1) == prompt_tokens:
                return suffix.text, new_tokens, suffix.first_frame, cached
        self._model.clear_context()
        return request.prompt, tokens, 0, 0

    def _call(
        self,
        part: Part,
        unsent: Iterator[Frame],
        sampling: protocol.Sampling,
        max_tokens: int,
        outbox: "Outbox",
    ) -> Iterator[str]:
        """The pieces of one call of HailoRT's, which takes its frames from those unsent; after Aborted, the
        chip is free."""
        if self._abort_requested():
            raise Aborted
        frames = list(islice(unsent, part.frames))
        completion = self._model.generate(part.text, frames, sampling, max_tokens)
        while not self._abort_requested():
            piece = completion.read(_PACE_MS if outbox.waiting else _READ_MS)
            if piece is None:
                outbox.flush()
                continue
            yield piece
            if not completion.running:
                completion.release()
                return
        completion.release()
        raise Aborted

    def _abort_requested(self) -> bool:
        if not self._channel.has_message():
            return False
        message = self._channel.receive()
        if not isinstance(message, protocol.Abort):
            raise protocol.ProtocolError(f"{type(message).__name__} during a generation")
        return True


def _context_key(request: protocol.Generate) -> str | None:
    """Under what this generation may reuse the context and keep it; None for nothing.

    What was generated before stays in the penalty's history until the context is cleared, and may stay
    in the random state: a reused context could answer otherwise than a fresh one.
    """
    sampling = request.sampling
    seeded = sampling.seed is not None and not is_greedy(sampling)
    return None if seeded or sampling.repetition_penalty != 1.0 else request.context_key


class Outbox:
    """The pieces of one generation on their way: sent at once, unless others were sent just before."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._sent_at = 0.0
        self._texts: list[str] = []

    @property
    def waiting(self) -> bool:
        return bool(self._texts)

    def add(self, text: str, *, last: bool = False) -> None:
        """Take one more piece; the last one goes with the end, which follows at once."""
        self._texts.append(text)
        if not last and time.monotonic() - self._sent_at >= _PACE_MS / 1000:
            self.flush()

    def flush(self) -> None:
        if self._texts:
            self._channel.send(protocol.Pieces(self._texts))
            self._sent_at = time.monotonic()
            self._texts = []

    def end(self, reason: str) -> None:
        """Send what waits, and that it was all."""
        rest = [protocol.Pieces(self._texts)] if self._texts else []
        self._channel.send(*rest, protocol.Ended(reason))
