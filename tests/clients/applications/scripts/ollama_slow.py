"""The package ollama against a service that is slow or fails: URL. Prints the texts of a stream's chunks, and
the error that ended it."""

import json
import sys

import ollama

texts, error = [], None
try:
    for chunk in ollama.Client(host=sys.argv[1]).chat(
        "qwen2-vl-2b-instruct", [{"role": "user", "content": "Describe the sea."}], stream=True
    ):
        texts.append(chunk.message.content)
except ollama.ResponseError as raised:
    error = raised.error
print(json.dumps({"texts": texts, "error": error}))
