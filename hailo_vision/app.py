"""The HTTP side: a Sanic application around a Service, one process, one worker."""

import asyncio
import logging
import re
import socket
import time
import uuid

import msgspec
from sanic import HTTPResponse, Request, Sanic
from sanic import exceptions as sanic_exceptions
from sanic.response import BaseHTTPResponse

from hailo_vision import routes
from hailo_vision.config import Config
from hailo_vision.engine import Engine, State
from hailo_vision.errors import ApiError, InternalError, InvalidRequest, MethodNotAllowed, NotFound, TooLarge
from hailo_vision.routes import App
from hailo_vision.service import Service
from hailo_vision.systemd import Notifier

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_START_STEP_SECONDS = 30.0


def create_app(config: Config) -> App:
    """The application; the model starts to load once the port is open."""
    app = Sanic("hailo-vision", configure_logging=False)
    app.config.update(
        REQUEST_MAX_SIZE=config.server.max_body_bytes,
        # Sanic counts from the last byte in either direction; the scheduler keeps the real deadline.
        RESPONSE_TIMEOUT=config.server.request_timeout + 60,
        GRACEFUL_SHUTDOWN_TIMEOUT=2.0,
        KEEP_ALIVE_TIMEOUT=120,
        ACCESS_LOG=False,
        MOTD=False,
    )
    app.ctx.config = config
    app.ctx.started = time.monotonic()
    app.ctx.created = int(time.time())
    app.before_server_start(_start)
    app.before_server_stop(_stop)
    app.register_middleware(_identify, "request")
    app.register_middleware(_label, "response")
    app.exception(Exception)(_report)
    routes.register(app)
    return app


def serve(config: Config, inherited: socket.socket | None) -> None:
    """Serve until SIGTERM or SIGINT, on the given listening socket or on a new one."""
    app = create_app(config)
    listener = inherited or _listen(config.server.host, config.server.port)
    app.run(sock=listener, single_process=True, motd=False, access_log=False)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if host == "::":
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((host, port))
    return listener


async def _start(app: App) -> None:
    service = app.ctx.service = Service(app.ctx.config)
    app.ctx.herald = Herald(service.engine, Notifier())
    service.start()
    app.ctx.herald.start()


async def _stop(app: App) -> None:
    app.ctx.herald.stopping()
    await app.ctx.service.stop()
    await app.ctx.herald.stop()


class Herald:
    """Tells the engine's state to systemd and to the log, and feeds the watchdog."""

    def __init__(self, engine: Engine, notifier: Notifier) -> None:
        self._engine = engine
        self._notifier = notifier
        self._announced = False
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        engine.listeners.append(self._tell)

    def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._extend_start(), name="systemd-start"))
        if self._notifier.watchdog_seconds:
            self._tasks.append(
                asyncio.create_task(self._feed(self._notifier.watchdog_seconds / 3), name="systemd-watchdog")
            )

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stopping(self) -> None:
        self._stopping = True
        self._notifier.stopping()

    def _tell(self) -> None:
        engine = self._engine
        if engine.state is State.GENERATING:
            return
        problem = f": {engine.problem.message} {engine.problem.cure}" if engine.problem else ""
        self._notifier.status(engine.state + problem)
        if engine.state in (State.READY, State.FAILED) and not self._announced:
            # A model that can't be loaded is not cured by systemd's restarts; the service stays up and
            # says why.
            self._announced = True
            self._notifier.ready()
            if engine.state is State.READY:
                log.info("Service ready")

    async def _extend_start(self) -> None:
        while not self._announced:
            self._notifier.extend_start(_START_STEP_SECONDS * 2)
            await asyncio.sleep(_START_STEP_SECONDS)

    async def _feed(self, interval: float) -> None:
        """Only a loop that turns gets here, and only a supervisor that watches the NPU lets it pass."""
        while True:
            if self._engine.supervised or self._stopping:
                self._notifier.alive()
            await asyncio.sleep(interval)


async def _identify(request: Request) -> None:
    given = request.headers.get("x-request-id", "")
    request.ctx.id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


async def _label(request: Request, response: BaseHTTPResponse) -> None:
    response.headers["x-request-id"] = getattr(request.ctx, "id", None) or uuid.uuid4().hex


async def _report(request: Request, error: Exception) -> HTTPResponse:
    """Every failure as OpenAI's error object."""
    known = _known(error)
    if known is None:
        log.error("Request %s failed unexpectedly", getattr(request.ctx, "id", "-"), exc_info=error)
        known = InternalError("The service failed unexpectedly; its log has the details.")
    return HTTPResponse(
        msgspec.json.encode(known.body()), known.status, known.headers, content_type="application/json"
    )


def _known(error: Exception) -> ApiError | None:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, sanic_exceptions.MethodNotAllowed):
        return MethodNotAllowed(str(error), headers=dict(error.headers))
    if isinstance(error, sanic_exceptions.NotFound):
        return NotFound("There is no such route; the API's routes begin with /v1.")
    if isinstance(error, sanic_exceptions.PayloadTooLarge):
        return TooLarge("The request is larger than this service accepts.")
    if isinstance(error, sanic_exceptions.SanicException) and 400 <= error.status_code < 500:
        return InvalidRequest(str(error), code="bad_request")
    return None
