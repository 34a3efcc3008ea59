"""What one request cost: a line in the log, and what the metrics count. Never its content."""

import logging
import time

from hailo_vision.inference.generation import Generation

log = logging.getLogger("hailo_vision.requests")

# Asked every few seconds by whatever watches the service.
_QUIET = frozenset({"/health", "/health/ready", "/metrics"})
CLIENT_GONE = 499  # nginx's number for a client that did not wait


class Account:
    """Follows one request.

    Attributes:
        route: the route's own path, not the one that was asked for.
        generations: what was asked of the model.
        status: the response's; CLIENT_GONE if nobody waited for it.
        code: of the error, if there was one; also of one that came after the response had begun.
    """

    def __init__(self, request_id: str, route: str, client: str) -> None:
        self.request_id = request_id
        self.route = route
        self.client = client
        self.started = time.monotonic()
        self.seconds = 0.0
        self.generations: list[Generation] = []
        self.status = 200
        self.code: str | None = None
        self._closed = False

    def close(self) -> bool:
        """Write the line; False if that was done before."""
        if self._closed:
            return False
        self._closed = True
        self.seconds = time.monotonic() - self.started
        level = logging.DEBUG if self.route in _QUIET else logging.INFO
        log.log(level, "%s", " ".join(f"{key}={value}" for key, value in self._fields().items()))
        return True

    def _fields(self) -> dict[str, object]:
        fields: dict[str, object] = {
            "id": self.request_id,
            "client": self.client,
            "route": self.route,
            "status": self.status,
            "total_ms": _ms(self.seconds),
        }
        if self.code:
            fields["error"] = self.code
        if self.generations:
            fields.update(_figures(self.generations))
        return fields


def _figures(generations: list[Generation]) -> dict[str, object]:
    """The sums over a request's generations; prefill and rate only of those that got so far."""
    media = [generation.media for generation in generations]
    prompts = [generation.prompt for generation in generations if generation.prompt]
    fields: dict[str, object] = {
        "generations": len(generations),
        "images": sum(work.images for work in media),
        "fetch_ms": _ms(sum(work.fetch_seconds for work in media)),
        "media_ms": _ms(sum(work.decode_seconds for work in media)),
        "queue_ms": _ms(sum(generation.queue_seconds or 0.0 for generation in generations)),
        "prompt_tokens": sum(prompt.prompt_tokens for prompt in prompts),
        "cached_tokens": sum(prompt.cached_tokens for prompt in prompts),
        "tokens": sum(generation.tokens for generation in generations),
    }
    timings = [generation.timings() for generation in generations if generation.tokens]
    if timings:
        decode_ms = sum(timing.predicted_ms for timing in timings)
        following = sum(timing.predicted_n - 1 for timing in timings)
        fields["prefill_ms"] = round(sum(timing.prompt_ms for timing in timings))
        fields["tokens_per_second"] = f"{following * 1000 / decode_ms:.1f}" if decode_ms else 0
    fields["finish"] = generations[-1].finish_reason if generations[-1].complete else "none"
    return fields


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
