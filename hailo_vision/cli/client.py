"""A small client of a running service, which the commands `ask` and `bench` share; standard library only."""

import base64
import http.client
import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEY_VARIABLE = "HAILO_VISION_API_KEY"
_SILENCE_SECONDS = 300.0  # a stream that waits sends a sign of life every few seconds
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# What a terminal obeys instead of showing it. A model's answer and a process's name may hold it.
_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - set(map(ord, "\n\t")))
# What reading JSON raises that is broken, deep, or of another shape.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class Failed(Exception):
    """The command can't do what was asked: a sentence for people, and its exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """A running service, asked one thing at a time; usable from several threads.

    Every method raises Failed with the service's own words, or with what its answer lacks.
    """

    def __init__(self, url: str) -> None:
        """url: its address, with or without /v1; any other is a Failed with status 2."""
        try:
            parts = urllib.parse.urlsplit(url)
            usable = parts.scheme in ("http", "https") and "@" not in parts.netloc
            usable = usable and bool(parts.hostname and parts.hostname.encode("idna")) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not url.isascii() or not url.isprintable() or " " in url:
            raise Failed(f"--url: expected an address such as http://127.0.0.1:11435, got {url!r}", 2)
        self.url = url.rstrip("/").removesuffix("/v1")
        # A proxy is for other machines, not for this one.
        near = parts.hostname in _LOOPBACK or urllib.request.proxy_bypass(parts.hostname or "")
        proxied = not near and parts.scheme in urllib.request.getproxies()
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if near else []))
        self._way = f" (by the proxy that {parts.scheme}_proxy in the environment names)" if proxied else ""

    def model(self) -> str:
        """The name of the model that it serves."""
        with self._send("/v1/models") as response:
            try:
                return str(json.load(response)["data"][0]["id"])
            except _UNREADABLE:
                raise Failed(f"{self.url} does not answer as a Hailo Vision service does.") from None
            except (OSError, http.client.HTTPException) as error:
                raise self._lost(error) from error

    def chat(self, **body: Any) -> Iterator[dict[str, Any]]:
        """The chunks of a streamed chat completion, to its end."""
        with self._send("/v1/chat/completions", json.dumps({**body, "stream": True}).encode()) as response:
            try:
                for line in response:
                    data = line.removeprefix(b"data: ").strip()
                    if data == b"[DONE]":
                        return
                    if line.startswith(b"data: "):
                        yield _chunk(data)
            except (OSError, http.client.HTTPException) as error:
                raise self._lost(error) from error
        raise Failed("The answer is incomplete: the service ended the stream before the answer's end.")

    def _send(self, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """GET, or POST a JSON body, with the key of the environment if there is one."""
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        if key := os.environ.get(KEY_VARIABLE, "").strip():
            if not key.isascii() or not key.isprintable():
                raise Failed(f"{KEY_VARIABLE}: a key has only printable ASCII characters.", 2)
            request.add_header("Authorization", f"Bearer {key}")
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=_SILENCE_SECONDS)
        except urllib.error.HTTPError as error:
            raise Failed(_reason(error)) from error
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, ssl.SSLCertVerificationError):
                told = f"its certificate is not trusted: {reason.verify_message}"
                reason = f"{told}; SSL_CERT_FILE=FILE trusts one"
            raise Failed(f"{self.url}{self._way}: {reason}") from error
        except (http.client.HTTPException, ValueError) as error:  # or a redirect to what is no address
            raise Failed(f"{self.url}{self._way} does not answer in HTTP: {str(error).strip()!r}") from error
        return response

    def _lost(self, error: Exception) -> Failed:
        return Failed(f"The answer is incomplete: the connection to {self.url} was lost ({error}).")


def image_part(image: Path) -> dict[str, Any]:
    """The image in a file as a part of a message.

    Raises:
        Failed: the file can't be read.
    """
    try:
        data = base64.b64encode(image.read_bytes()).decode()
    except OSError as error:
        raise Failed(f"{image}: {error.strerror}", 2) from error
    return {"type": "image_url", "image_url": {"url": f"data:image/*;base64,{data}"}}


def visible(text: str) -> str:
    """A text from elsewhere without control characters, but with its lines and tabs."""
    return text.translate(_CONTROLS)


def text_of(chunk: dict[str, Any]) -> str:
    """The piece of text that a chunk brings."""
    return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])


def _chunk(data: bytes) -> dict[str, Any]:
    try:
        chunk: dict[str, Any] = json.loads(data)
        if "error" in chunk:
            raise Failed(str(chunk["error"]["message"]))
        text_of(chunk)
    except _UNREADABLE:
        raise Failed("The service sent something that is not a chunk of a chat completion.") from None
    return chunk


def _reason(error: urllib.error.HTTPError) -> str:
    """Why the service refused, in its own words if it gave any."""
    try:
        return str(json.load(error)["error"]["message"])
    except (OSError, http.client.HTTPException, *_UNREADABLE):
        return f"{error.url}: {error.status} {error.reason}"
