"""Server-sent events, read strictly: what this service must never send is an error here."""

import json
from collections.abc import Iterable
from typing import Any

import httpx


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of a finished stream; the last line must be [DONE]."""
    found = list(parse(response.iter_lines()))
    assert found[-1] == "[DONE]", found[-1]
    return [json.loads(text) for text in found[:-1]]


def parse(lines: Iterable[str]) -> Iterable[str]:
    """The data of each event. Comments are left out; other fields make some client fail."""
    for line in lines:
        if line and not line.startswith(":"):
            assert line.startswith("data: "), line
            yield line.removeprefix("data: ")


def text_of(chunks: Iterable[dict[str, Any]]) -> str:
    """The content of all deltas."""
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
