"""Metrics for Prometheus, named after vLLM's; one registry for each application."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from hailo_vision import __version__
from hailo_vision.http.request_log import CLIENT_GONE, RequestRecord
from hailo_vision.inference.answer import Generation
from hailo_vision.inference.service import Service
from hailo_vision.npu.protocol import Problem
from hailo_vision.npu.supervisor import State

_PREFIX = "hailo_vision"
OK = 200
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_TOKENS = (1, 4, 16, 32, 64, 128, 256, 512, 1024, 1536, 2048)
_RATES = (1, 2, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 50, 100)
_POSITIONS = (0, 1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts what requests cost and reads the supervisor's state when asked."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._started = time.monotonic()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._problem: Problem | None = None
        service.supervisor.listeners.append(self._watch_supervisor)
        self.requests = self._counter("requests", "Requests answered", "route", "status")
        self.rejected = self._counter("rejected", "Requests refused or failed, by error code", "reason")
        self.cancelled = self._counter("cancelled", "Requests whose client did not wait", "route")
        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts")
        self.cached_tokens = self._counter("prompt_tokens_cached", "Tokens of prompts found in the context")
        self.generation_tokens = self._counter("generation_tokens", "Tokens generated")
        self.images = self._counter("images", "Images given to the model")
        self.left_out = self._counter("images_left_out", "Images left out because they did not fit")
        self.finished = self._counter("request_success", "Requests that were answered", "finished_reason")
        self.device_errors = self._counter("device_errors", "Faults of the NPU or its process", "code")
        self.e2e = self._histogram("e2e_request_latency_seconds", "From request to end of response", _SECONDS)
        self.queue = self._histogram("request_queue_time_seconds", "Waiting for the NPU", _SECONDS)
        self.position = self._histogram("request_queue_position", "Requests ahead on arrival", _POSITIONS)
        self.first_token = self._histogram(
            "time_to_first_token_seconds", "From request to first token", _SECONDS
        )
        self.prefill = self._histogram("request_prefill_time_seconds", "From prompt to first token", _SECONDS)
        self.decode = self._histogram("request_decode_time_seconds", "From first to last token", _SECONDS)
        self.rate = self._histogram("tokens_per_second", "Rate of one answer after its first token", _RATES)
        self.answer_tokens = self._histogram("request_generation_tokens", "Tokens of one answer", _TOKENS)
        self.fetch = self._histogram("image_fetch_seconds", "Fetching a request's linked images", _SECONDS)
        self.media = self._histogram("image_decode_seconds", "Decoding a request's images", _SECONDS)

    def observe(self, record: RequestRecord, status: int, seconds: float) -> None:
        """Count a request that is over."""
        self.requests.labels(record.route, str(status)).inc()
        if status == CLIENT_GONE:
            self.cancelled.labels(record.route).inc()
        if record.code:
            self.rejected.labels(record.code).inc()
        if record.answers:
            self.e2e.observe(seconds)
            self.left_out.inc(record.left_out)
        generations = record.generations
        for one in generations:
            self._observe(one)
        finished = [one.finish_reason for one in generations if one.complete]
        if finished and status == OK and not record.code:
            self.finished.labels(finished[-1]).inc()

    def _observe(self, generation: Generation) -> None:
        """Count one generation."""
        self.position.observe(generation.position)
        work = generation.work
        self.images.inc(work.images)
        if work.fetch_seconds:
            self.fetch.observe(work.fetch_seconds)
        if work.decode_seconds:
            self.media.observe(work.decode_seconds)
        if generation.queue_seconds is not None:
            self.queue.observe(generation.queue_seconds)
        usage, timings = generation.usage, generation.timings
        if usage is None:
            return
        self.prompt_tokens.inc(usage.prompt_tokens)
        self.cached_tokens.inc(usage.cached_tokens)
        tokens = usage.completion_tokens
        if generation.first_token_seconds is not None:
            self.first_token.observe(generation.first_token_seconds)
            self.prefill.observe(timings.prefill)
            self.decode.observe(timings.decode)
            if tokens > 1 and timings.decode:
                self.rate.observe((tokens - 1) / timings.decode)
            self.generation_tokens.inc(tokens)
        if generation.complete:
            self.answer_tokens.observe(tokens)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The text of all metrics and its content type, in the format that the scraper prefers."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """What is read at each scrape."""
        service = self._service
        supervisor, scheduler = service.supervisor, service.scheduler
        info = supervisor.model
        loaded = supervisor.state in (State.READY, State.GENERATING)
        yield _gauge("num_requests_running", "Requests on the NPU", scheduler.running)
        yield _gauge("num_requests_waiting", "Requests in the queue", scheduler.waiting)
        yield _gauge("queue_size", "Requests that may wait", service.config.server.queue_size)
        yield _gauge("model_loaded", "Whether the model is on the NPU", loaded)
        yield _gauge("model_load_seconds", "How long the last load took", info.load_seconds if info else 0)
        yield _gauge("uptime_seconds", "Age of the service", time.monotonic() - self._started)
        yield CounterMetricFamily(f"{_PREFIX}_model_loads", "Loads of the model", value=supervisor.loads)
        state = GaugeMetricFamily(f"{_PREFIX}_engine_state", "1 for the supervisor's state", labels=["state"])
        for one in State:
            state.add_metric([one.value], float(supervisor.state is one))
        yield state
        build = GaugeMetricFamily(f"{_PREFIX}_build_info", "Versions", labels=["version", "hailort"])
        build.add_metric([__version__, info.runtime_version if info else ""], 1)
        yield build

    def _watch_supervisor(self) -> None:
        supervisor = self._service.supervisor
        problem = supervisor.problem
        # What keeps the model file from coming is no fault of the NPU, and told anew at each look.
        if problem is not None and problem is not self._problem and supervisor.state is not State.FETCHING:
            self.device_errors.labels(problem.code).inc()
        self._problem = problem

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"{_PREFIX}_{name}", text, buckets=buckets, registry=self._registry)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=float(value))
