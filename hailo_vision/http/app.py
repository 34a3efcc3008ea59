"""The HTTP side: a Sanic application around a Service, one process, one worker."""

import asyncio
import logging
import re
import signal
import socket
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import BaseHTTPResponse

from hailo_vision.config import Config, ServerConfig
from hailo_vision.http import limits, routes
from hailo_vision.http.auth import Keys, keys_file
from hailo_vision.http.http1 import StrictRequest
from hailo_vision.http.metrics import Metrics
from hailo_vision.http.origin import Gatekeeper
from hailo_vision.http.request_log import RequestRecord
from hailo_vision.http.tls import Certificate
from hailo_vision.http.web import App, new_id
from hailo_vision.inference.service import Service
from hailo_vision.systemd import Herald, Notifier

log = logging.getLogger(__name__)

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


def create_app(config: Config) -> App:
    """The application; the model starts to load once the port is open."""
    app = Sanic("hailo-vision", configure_logging=False, request_class=StrictRequest)
    app.config.update(
        REQUEST_MAX_SIZE=config.server.max_body_bytes,
        # Sanic counts from the last byte in either direction; the scheduler keeps the real deadline, anew for
        # each image of a batch, and for the second attempt at a JSON answer.
        RESPONSE_TIMEOUT=2 * (config.server.request_timeout + 60) * config.api.max_batch_images,
        GRACEFUL_SHUTDOWN_TIMEOUT=2.0,
        KEEP_ALIVE_TIMEOUT=120,
        FALLBACK_ERROR_FORMAT="json",  # never used, as _report() answers; Sanic warns where it guesses
        # Sanic looks at connections in half of the shortest of these times.
        REQUEST_TIMEOUT=2 * limits.LOOK_EVERY_SECONDS,
        ACCESS_LOG=False,
        MOTD=False,
    )
    app.ctx.config = config
    app.ctx.started = time.monotonic()
    app.ctx.created = int(time.time())
    app.ctx.received_bytes = 0  # that all connections hold: see limits
    app.ctx.keys = Keys(keys_file(config.auth.keys_file))
    app.ctx.certificate = None
    app.ctx.gatekeeper = gatekeeper = Gatekeeper(config, app.ctx.keys.required)
    app.before_server_start(_start)
    app.before_server_stop(_stop)
    if app.ctx.keys.required:
        app.signal("http.routing.after")(_authorise_early)
    app.register_middleware(_receive, "request")
    if config.server.cors_origins:
        app.register_middleware(gatekeeper.preflight, "request")
        app.register_middleware(gatekeeper.mark, "response")
    app.register_middleware(_authorise, "request")
    app.register_middleware(_label, "response")
    if config.media.overflow == "sample":
        app.register_middleware(_tell_left_out, "response")
    app.exception(Exception)(_report)
    routes.register(app)
    return app


def serve(config: Config, inherited: Sequence[socket.socket]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, on the given listening sockets and on the configured ports that
    none of them has.

    Raises:
        ConfigError: the TLS files can't be used.
        OSError: a port can't be used; its filename is the address.
    """
    app = create_app(config)
    server = config.server
    if server.tls_cert:
        app.ctx.certificate = Certificate(server.tls_cert, server.tls_key)
    tls = app.ctx.certificate and app.ctx.certificate.context
    first, *more = _listeners(server, inherited)
    # Its own lines about start and workers say nothing that ours don't.
    for name in ("sanic.root", "sanic.server"):
        logging.getLogger(name).setLevel(logging.WARNING)
    app.prepare(
        sock=first,
        ssl=tls,
        single_process=True,
        motd=False,
        access_log=False,
        protocol=limits.GuardedProtocol,
    )
    # Sanic knows one socket only. The others make the same connections, bounded and ended together.
    settings = app.state.server_info[0].settings
    settings["connections"] = connections = set[Any]()
    # A minute by default; until the handshake is over, a connection is not among those that are bounded.
    patience = limits.HEAD_SECONDS if tls else None
    settings["asyncio_server_kwargs"] = {"ssl_handshake_timeout": patience}
    app.ctx.listening = []

    async def listen(app: App) -> None:
        loop = asyncio.get_running_loop()
        connection = partial(
            limits.GuardedProtocol, loop=loop, connections=connections, signal=settings["signal"], app=app
        )
        for listener in more:
            listening = await loop.create_server(
                connection, sock=listener, ssl=tls, ssl_handshake_timeout=patience
            )
            app.ctx.listening.append(listening)

    app.after_server_start(listen)
    app.after_server_start(_stop_on_signals)
    Sanic.serve_single(app)
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _listeners(server: ServerConfig, inherited: Sequence[socket.socket]) -> list[socket.socket]:
    ports = [] if inherited else [server.port]
    if server.ollama_port and server.ollama_port not in [one.getsockname()[1] for one in inherited]:
        ports.append(server.ollama_port)
    return [*inherited, *(_listen(server.host, port) for port in ports)]


def _listen(host: str, port: int) -> socket.socket:
    is_ipv6 = ":" in host
    try:
        listener = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
    except OSError as error:
        address = f"[{host}]:{port}" if is_ipv6 else f"{host}:{port}"
        raise OSError(error.errno, error.strerror, address) from error
    return listener


async def _start(app: App) -> None:
    service = app.ctx.service = Service(app.ctx.config)
    app.ctx.metrics = Metrics(service)
    app.ctx.herald = Herald(service.supervisor, Notifier())
    service.start()
    app.ctx.herald.start()


async def _stop_on_signals(app: App) -> None:
    """Stop the service on the first signal only: with Sanic's handlers, a second one breaks off the stop."""
    loop = asyncio.get_running_loop()
    app.ctx.stopping = False

    def stop(*_: object) -> None:
        if not app.ctx.stopping:
            app.ctx.stopping = True
            loop.call_soon_threadsafe(partial(app.stop, terminate=False))

    for number in _STOP_SIGNALS:
        loop.remove_signal_handler(number)
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has SIGHUP
            signal.signal(number, stop)


async def _stop(app: App) -> None:
    app.ctx.herald.stopping()
    await app.ctx.service.stop()
    for listening in app.ctx.listening:
        listening.close()
    await app.ctx.herald.stop()


def _identify(request: Request) -> None:
    given = request.headers.get("x-request-id", "")
    request.ctx.id = given if _REQUEST_ID.fullmatch(given) else new_id()
    request.ctx.record = RequestRecord(request.ctx.id, routes.label(request), request.ip)
    request.ctx.open = routes.is_open(request)


def _receive(request: Request) -> None:
    """Refuse what a web page that the operator does not know may have sent."""
    _identify(request)
    gatekeeper: Gatekeeper = request.app.ctx.gatekeeper
    gatekeeper.check_origin(request)
    if not request.ctx.open:
        gatekeeper.check_host(request)


def _authorise(request: Request) -> None:
    """Refuse a request to a guarded route without a valid key."""
    if request.ctx.open or routes.is_page(request):
        return
    headers = request.headers
    keys: Keys = request.app.ctx.keys
    request.ctx.client = keys.check(headers.get("authorization", ""), headers.get("x-api-key", ""))


async def _authorise_early(request: Request, **_: object) -> None:
    """Before the body is read: without a key, nobody can make the service hold one. What is refused here is
    refused again by _authorise, and becomes the response."""
    if request.method != "OPTIONS":
        _identify(request)
        _authorise(request)


def _label(request: Request, response: BaseHTTPResponse) -> None:
    response.headers["x-request-id"] = getattr(request.ctx, "id", None) or new_id()


def _tell_left_out(request: Request, response: BaseHTTPResponse) -> None:
    record: RequestRecord | None = getattr(request.ctx, "record", None)
    if record and record.left_out:
        response.headers["x-images-left-out"] = str(record.left_out)


def _report(request: Request, error: Exception) -> HTTPResponse:
    """What failed outside of a handler, in the request's dialect."""
    if getattr(request.ctx, "record", None) is None:
        _identify(request)
    response = routes.failure_response(request, error)
    routes.finish(request, response.status)
    return response
