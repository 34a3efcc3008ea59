"""The pages for people: / to try the model, /docs about the API. Plain files, nothing from elsewhere."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from sanic import HTTPResponse, Request

from hailo_vision.http.errors import HttpError

_FOLDER = Path(__file__).parent
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_RUNNING = "Ollama is running"  # in its own words: some of its clients look for them
ASSETS = frozenset(path.name for path in _FOLDER.iterdir() if path.suffix in {".css", ".js", ".svg"})


def is_ping(request: Request) -> bool:
    """Whether / is only asked for whether anybody answers, as Ollama's clients do before everything else."""
    return request.method == "HEAD" or "text/html" not in request.headers.get("accept", "")


async def index(request: Request) -> HTTPResponse:
    """GET /: the page for browsers; for others a sign of life, which is no secret."""
    if is_ping(request):
        return HTTPResponse(_RUNNING, content_type="text/plain; charset=utf-8")
    return _page("index.html")


async def docs(request: Request) -> HTTPResponse:
    """GET /docs"""
    return _page("docs.html")


async def asset(request: Request, name: str) -> HTTPResponse:
    """GET /assets/{name}"""
    if name not in ASSETS:
        raise HttpError("not_found", "There is no such file.")
    return _page(name)


def _page(name: str) -> HTTPResponse:
    return HTTPResponse(_files()[name], content_type=_TYPES[Path(name).suffix], headers=_HEADERS)


@lru_cache(maxsize=1)
def _files() -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
