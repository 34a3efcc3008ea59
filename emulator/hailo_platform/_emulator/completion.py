"""One generation as the client sees it, on a virtual time line.

On the chip tokens come at their own pace whether or not they are read. Here nobody has to run for that:
each token has the moment at which it is ready, and reading it blocks until then. So a call can hold the
GIL while it waits, as the native one does.
"""

import atexit
import math
import os
import random
import signal
import sys
import time
import weakref
from collections import deque
from typing import NamedTuple

from hailo_platform._emulator import clock, faults, server
from hailo_platform._emulator.errors import Status, failure
from hailo_platform._emulator.journal import record
from hailo_platform._emulator.session import GenerationStatus, Session
from hailo_platform._emulator.settings import settings

_QUEUE_LENGTH = 1024
_PREFILL_CHUNK = 96
_READ_GOES_FIRST = 0.5


class Delivery(NamedTuple):
    """A piece, or the failure that ends the stream, and when it reaches the client."""

    ready: float
    piece: str
    status: GenerationStatus
    error: Status | None = None


class Completion:
    """The native completion object. The chip begins with the prefill as soon as it exists."""

    def __init__(self, session: Session, prompt: str, generation: int) -> None:
        self._closed = True
        self.generation = generation
        self.status = GenerationStatus.GENERATING
        self.prompt_cells = 0
        self._session = session
        self._prompt_tokens = session.engine.tokenize(prompt)
        self._decoder = session.engine.decoder()
        self._begun = clock.now()
        self._waiting: deque[Delivery] = deque()
        self._read_times: deque[float] = deque(maxlen=_QUEUE_LENGTH)
        self._last_ready = self._begun
        self._last_read = self._begun
        self._produced = 0
        self._pieces_read = 0
        self._final: Delivery | None = None
        self._closed = False
        session.note_request(self._begun + self._prefill_seconds(session.cells_of(self._prompt_tokens)))
        alive.add(self)

    # Reading

    def wait_for_prefill(self) -> None:
        """With no token to generate (5.2.0) generate() itself waits, and the completion is at its end."""
        delivery = self._front()
        clock.wait_until(delivery.ready)
        if delivery.error is not None:
            raise failure(delivery.error)
        self.status = delivery.status

    def read(self, timeout_ms: int) -> str:
        """The next piece.

        Raises native status 6 after the end, and if the chip failed or the link was lost while nothing
        waited to be read; 4 if nothing came in time (and reading may go on); 8 if a handled signal broke the
        wait (and reading may go on).
        """
        if self.status is not GenerationStatus.GENERATING:
            raise failure(Status.INVALID_OPERATION)
        deadline = clock.now() + timeout_ms / 1000.0
        if faults.strikes_at("read_hang_after_tokens", self._pieces_read):
            clock.hang()
        delivery = self._front()
        if delivery.error is not None:
            self._fail(delivery, deadline)
        self._wait_for(delivery, deadline)
        self._waiting.popleft()
        self._last_read = clock.now()
        self._read_times.append(self._last_read)
        self._pieces_read += 1
        self.status = delivery.status
        if self.status is not GenerationStatus.GENERATING:
            self._note_end("finished")
        return delivery.piece

    def read_all(self, timeout_ms: int) -> str:
        """All remaining pieces within one time limit."""
        deadline = clock.now() + timeout_ms / 1000.0
        text = ""
        while self.status is GenerationStatus.GENERATING:
            text += self.read(max(0, round((deadline - clock.now()) * 1000)))
        return text

    def _fail(self, delivery: Delivery, deadline: float) -> None:
        """A reader with nothing left to read is told; after pieces that waited there is silence."""
        paced = self._cost(settings().timing.token) > 0
        if paced and self._last_read > delivery.ready:
            self._wait_for(delivery._replace(ready=math.inf), deadline)
        self._wait_for(delivery, deadline)
        assert delivery.error is not None
        raise failure(delivery.error)

    def _wait_for(self, delivery: Delivery, deadline: float) -> None:
        if not clock.wait_for_event(min(delivery.ready, deadline)):
            raise failure(Status.INTERNAL_FAILURE)
        if delivery.ready > deadline:
            raise failure(Status.TIMEOUT)

    # Producing

    def _front(self) -> Delivery:
        if not self._waiting:
            self._produce()
        return self._waiting[0]

    def _produce(self) -> None:
        """Add the next delivery to the time line."""
        if self._final is not None:
            self._waiting.append(self._final)
            return
        if faults.strikes_at("crash_after_tokens", self._produced):
            os.kill(os.getpid(), signal.SIGKILL)
        error = self._injected_failure()
        if error is None and self._produced == 0:
            error = self._prefill()
        if error is not None:
            # The inference that fails takes its time too.
            self._last_ready += self._cost(settings().timing.token)
            self._final = Delivery(self._last_ready, "", GenerationStatus.GENERATING, error)
            self._waiting.append(self._final)
            return
        self._waiting.append(self._next_piece())
        self._session.note_request(self._last_ready)

    def _prefill(self) -> Status | None:
        tail = ". [{'type': 'text', 'text': " if faults.strikes("stray_tail") else ""
        try:
            self.prompt_cells = self._session.prefill(self._prompt_tokens, tail)
        except Exception as error:
            self._last_ready = clock.now() if not self._session.engine.paced else self._last_ready
            record("generation_failed", generation=self.generation, error=str(error))
            return Status(int(str(error))) if str(error).isdigit() else Status.INTERNAL_FAILURE
        self._last_ready += self._prefill_seconds(self.prompt_cells)
        record(
            "prefill",
            generation=self.generation,
            cells=self.prompt_cells,
            usage=self._session.cache.usage,
            chunks=_chunks(self.prompt_cells),
        )
        return None

    def _prefill_seconds(self, cells: int) -> float:
        return self._cost(settings().timing.prefill_chunk) * _chunks(cells)

    def _next_piece(self) -> Delivery:
        step = self._session.step()
        if step.computed and self._produced > 0:
            self._last_ready += self._cost(settings().timing.token)
        if not self._session.engine.paced:
            self._last_ready = clock.now()
        ahead = self._produced - _QUEUE_LENGTH - (self._pieces_read - len(self._read_times))
        if 0 <= ahead < len(self._read_times):
            # The queue was full until the reader took one.
            self._last_ready = max(self._last_ready, self._read_times[ahead])
        self._produced += 1
        if step.ends:
            # llm_server.cpp clears the buffer before it decodes the last token.
            self._decoder.drop_pending()
        delivery = Delivery(self._last_ready, self._decoder.piece(step.token), step.status)
        if step.status is not GenerationStatus.GENERATING:
            self._final = delivery
        return delivery

    def _injected_failure(self) -> Status | None:
        if faults.strikes_at("link_lost_after_tokens", self._produced):
            server.lose_link()
        if server.is_gone(self._session.incarnation):
            self._session.close("the link was lost")
            return Status.INVALID_OPERATION
        if faults.strikes_at("decode_fails_after_tokens", self._produced):
            return Status.INVALID_OPERATION
        if faults.strikes_at("stall_after_tokens", self._produced):
            self._last_ready = float("inf")
        return None

    def _cost(self, seconds: float) -> float:
        engine = self._session.engine
        return seconds * settings().time_scale * engine.pace if engine.paced else 0.0

    @property
    def undefined_to_disturb(self) -> bool:
        """Whether another generation or a cleared context now would be undefined behaviour."""
        open_still = not self._closed and not self._session.closed
        return open_still and self.status is GenerationStatus.GENERATING

    @property
    def running(self) -> bool:
        """Whether the chip is at work on it now."""
        self.catch_up()
        return not self._closed and (self._final is None or self._final.ready > clock.now())

    @property
    def severed(self) -> bool:
        """Whether its link was lost before it came to its end: destroying it is std::terminate."""
        return not self._closed and self._session.closed and self.status is GenerationStatus.GENERATING

    def catch_up(self) -> None:
        """Produce what the chip has produced by now, read or not."""
        if not self._session.engine.paced:
            return
        now = clock.now()
        while self._final is None and self._last_ready <= now and len(self._waiting) < _QUEUE_LENGTH:
            self._produce()

    def finish_running_token(self) -> None:
        """Wait as a further request of the session does: until the running inference is done."""
        self.catch_up()
        if self._final is None and self._session.engine.paced:
            clock.wait_until(self._last_ready)

    # Ending

    def release(self) -> None:
        """Abort what is still running and wait for its end; the discarded pieces are gone."""
        if self._closed:
            return
        running = self.running
        if self.severed or (running and faults.strikes("abort_in_release")):
            record("sigabrt", generation=self.generation, pieces=self._pieces_read)
            os.abort()
        if self._final is None:
            self._abort()
        else:
            clock.wait_until(self._final.ready)
        self._closed = True
        self._note_end("release", aborted=running)

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.release()

    def _abort(self) -> None:
        self._wait_for_inference()
        if self._produced > 1 and self._final is None and random.random() < _READ_GOES_FIRST:
            # The client's mutex is not fair: its reader may ask for one more token before the abort is sent.
            self._produce()
            clock.wait_until(self._last_ready)
        self._session.abort_requested = True
        self._last_ready = min(self._last_ready, clock.now())
        while self._final is None:
            self._produce()
        if self._final.error is None:
            self.status = self._final.status
        clock.wait_until(self._final.ready)

    def _wait_for_inference(self) -> None:
        """Nothing stops the running inference: a token, or a chunk of the prefill (by setting, all)."""
        if self._produced == 0 and self._final is None:
            self._produce()
        in_flight = self._waiting[-1] if self._waiting else None
        if in_flight is None or in_flight.ready <= clock.now():
            return
        until = in_flight.ready
        if self._produced == 1 and settings().timing.abort_waits_for == "chunk":
            chunk = self._cost(settings().timing.prefill_chunk)
            done = max(0.0, clock.now() - self._begun)
            until = min(until, self._begun + (int(done / chunk) + 1) * chunk) if chunk > 0 else until
        clock.wait_until(until)

    def _note_end(self, event: str, **details: bool) -> None:
        record(
            event,
            generation=self.generation,
            status=self.status.name,
            pieces=self._pieces_read,
            produced=self._produced,
            seconds=round(time.monotonic() - self._begun, 4),
            **details,
        )


def _chunks(cells: int) -> int:
    return -(-cells // _PREFILL_CHUNK)


alive: weakref.WeakSet[Completion] = weakref.WeakSet()


@atexit.register
def _leave_interpreter() -> None:
    """What is destroyed with the interpreter goes in no good order."""
    for completion in list(alive):
        if completion.severed:
            os.abort()
        if completion.running:
            server.die_with_client("the interpreter was left while a completion generates")
