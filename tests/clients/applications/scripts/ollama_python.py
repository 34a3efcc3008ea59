"""The package ollama: URL PHOTO."""

import json
import sys
from pathlib import Path

import ollama

url, photo = sys.argv[1:]
MODEL = "qwen2-vl-2b-instruct"
client = ollama.Client(host=url)
question = {"role": "user", "content": "What is in this picture?", "images": [photo]}
SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
OPTIONS = {"temperature": 0, "num_ctx": 8192}
found = {}

found["list"] = [(model.model, model.digest, model.details.family) for model in client.list().models]
shown = client.show(MODEL)
found["show"] = [shown.capabilities, shown.modelinfo["qwen2vl.context_length"]]
whole = client.chat(MODEL, [question], options=OPTIONS, keep_alive=-1)
found["chat"] = [whole.message.content, whole.done_reason, whole.eval_count, whole.eval_duration]
chunks = list(client.chat(MODEL, [question], options=OPTIONS, stream=True, tools=[], think=False))
found["chat streamed"] = ["".join(chunk.message.content for chunk in chunks), chunks[-1].eval_count]
found["format"] = json.loads(client.chat(MODEL, [question], format=SCHEMA, options=OPTIONS).message.content)
generated = client.generate(
    MODEL, "What is in this picture?", images=[Path(photo).read_bytes()], format="json"
)
found["generate"] = json.loads(generated.response)
parts = client.generate(MODEL, "Hi", stream=True, options=ollama.Options(num_predict=5, stop=["#", "~"]))
found["generate streamed"] = [part.response for part in parts]
found["ps"] = [(model.model, model.context_length) for model in client.ps().models]
found["pull"] = [client.pull(MODEL).status, [step.status for step in client.pull(MODEL, stream=True)]]
found["load"] = client.generate(MODEL).done_reason


def error_of(call, *arguments, **fields):
    try:
        list(call(*arguments, **fields))
    except ollama.ResponseError as error:
        return [error.status_code, error.error]


found["errors"] = {
    "unknown": error_of(client.chat, "llava", [question]),
    "unknown, streamed": error_of(client.chat, "llava", [question], stream=True),
    "embed": error_of(client.embed, MODEL, "Hi"),
    "copy": error_of(client.copy, MODEL, "mine"),
    "long": error_of(client.generate, MODEL, "word " * 3000),
}
print(json.dumps(found))
