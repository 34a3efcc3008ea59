"""A chunk whose text is put between two halves made before is the same as one that is made whole."""

import json

import pytest

from hailo_vision import __version__
from hailo_vision.http.openai.chat import ChunkWriter


@pytest.mark.parametrize("model", ["qwen2-vl-2b-instruct", '"', '"content":""', "content", "\\"])
@pytest.mark.parametrize("with_usage", [True, False])
def test_a_chunk_is_what_it_is_made_of(model: str, with_usage: bool) -> None:
    chunks = ChunkWriter(model, None, legacy=False, with_usage=with_usage)
    chunk = json.loads(chunks.text('a "b"\n\u65e5\U0001f600'))
    assert chunk == {
        "id": chunks.fields["id"],
        "object": "chat.completion.chunk",
        "created": chunks.fields["created"],
        "model": model,
        "choices": [
            {
                "index": 0,
                "delta": {"content": 'a "b"\n\u65e5\U0001f600'},
                "logprobs": None,
                "finish_reason": None,
            }
        ],
        "system_fingerprint": f"hailo-vision-{__version__}",
        **({"usage": None} if with_usage else {}),
    }
    role = chunks.heartbeat().removeprefix(b"data: ")
    assert list(chunk) == list(json.loads(role))
