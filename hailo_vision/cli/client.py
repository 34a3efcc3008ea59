"""`hailo-vision ask`: one question to a running service, with nothing but the standard library."""

import base64
import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

KEY_VARIABLE = "HAILO_VISION_API_KEY"


def ask(url: str, image: Path, prompt: str) -> int:
    """Stream the answer about a picture to standard output; returns the exit status."""
    try:
        picture = base64.b64encode(image.read_bytes()).decode()
    except OSError as error:
        print(f"{image}: {error.strerror}", file=sys.stderr)
        return 2
    base = url.rstrip("/").removesuffix("/v1")
    try:
        with send(f"{base}/v1/models") as response:
            model = json.load(response)["data"][0]["id"]
        body = {
            "model": model,
            "stream": True,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": f"data:image/*;base64,{picture}"}},
                        {"type": "text", "text": prompt},
                    ],
                }
            ],
        }
        with send(f"{base}/v1/chat/completions", json.dumps(body).encode()) as response:
            return _print(response)
    except urllib.error.HTTPError as error:
        print(reason(error), file=sys.stderr)
    except urllib.error.URLError as error:
        print(f"{base}: {error.reason}", file=sys.stderr)
    return 1


def send(url: str, body: bytes | None = None) -> http.client.HTTPResponse:
    """GET, or POST a JSON body, with the key of the environment if there is one."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    if key := os.environ.get(KEY_VARIABLE):
        request.add_header("Authorization", f"Bearer {key}")
    response: http.client.HTTPResponse = urllib.request.urlopen(request)
    return response


def _print(response: BinaryIO) -> int:
    for event in events(response):
        if "error" in event:
            print(f"\n{event['error']['message']}", file=sys.stderr)
            return 1
        for choice in event["choices"]:
            print(choice["delta"].get("content", ""), end="", flush=True)
    print()
    return 0


def events(response: BinaryIO) -> Iterator[dict[str, Any]]:
    """The events of a streamed answer."""
    for line in response:
        data = line.removeprefix(b"data: ").strip()
        if line.startswith(b"data: ") and data != b"[DONE]":
            yield json.loads(data)


def reason(error: urllib.error.HTTPError) -> str:
    """Why the service refused, in its own words if it gave any."""
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url}: {error.status} {error.reason}"
