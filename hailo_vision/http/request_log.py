"""The request log: a line for each request with what it cost. Never its content."""

import logging
import time
from collections.abc import Sequence

from hailo_vision.inference.answer import Answer, Generation, Usage

log = logging.getLogger("hailo_vision.requests")

# Asked every few seconds by whatever watches the service.
_QUIET = frozenset({"/health", "/health/ready", "/metrics"})
CLIENT_GONE = 499  # nginx's number for a client that did not wait


class RequestRecord:
    """Follows one request.

    Attributes:
        route: the route's own path, not the one that was asked for.
        answers: what was asked of the model; more than one for a batch.
        code: of the error, if there was one; also of one that came after the response had begun.
    """

    def __init__(self, request_id: str, route: str, client: str) -> None:
        self.request_id = request_id
        self.route = route
        self.client = client
        self.started = time.monotonic()
        self.answers: list[Answer] = []
        self.code: str | None = None

    @property
    def generations(self) -> list[Generation]:
        """All that the request took."""
        return [generation for answer in self.answers for generation in answer.generations]

    @property
    def left_out(self) -> int:
        """How many images the answers are not about."""
        return sum(answer.generations[-1].work.left_out for answer in self.answers)


def write(record: RequestRecord, status: int, seconds: float) -> None:
    """Write the line of a request that is over; status CLIENT_GONE if nobody waited for the response."""
    level = logging.DEBUG if record.route in _QUIET else logging.INFO
    if not log.isEnabledFor(level):
        return
    fields: dict[str, object] = {
        "id": record.request_id,
        "client": record.client,
        "route": record.route,
        "status": status,
        "total_ms": _ms(seconds),
    }
    if record.code:
        fields["error"] = record.code
    if generations := record.generations:
        fields.update(_sums(generations))
    if record.left_out:
        fields["images_left_out"] = record.left_out
    log.log(level, "%s", " ".join(f"{key}={value}" for key, value in fields.items()))


def _sums(generations: Sequence[Generation]) -> dict[str, object]:
    """The sums over a request's generations; prefill and rate only of those that got so far."""
    usage = sum((one.usage for one in generations if one.usage), Usage())
    work = [one.work for one in generations]
    fields: dict[str, object] = {
        "generations": len(generations),
        "images": sum(one.images for one in work),
        "fetch_ms": _ms(sum(one.fetch_seconds for one in work)),
        "media_ms": _ms(sum(one.decode_seconds for one in work)),
        "queue_ms": _ms(sum(one.queue_seconds or 0.0 for one in generations)),
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "tokens": usage.completion_tokens,
    }
    answered = [one for one in generations if one.first_token_seconds is not None]
    if answered:
        seconds = sum(one.timings.decode for one in answered)
        following = usage.completion_tokens - len(answered)
        fields["prefill_ms"] = _ms(sum(one.timings.prefill for one in answered))
        fields["tokens_per_second"] = f"{following / seconds:.1f}" if seconds else 0
    fields["finish"] = generations[-1].finish_reason if generations[-1].complete else "none"
    return fields


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
