"""The package litellm, by Ollama's API and by OpenAI's: URL PHOTO."""

import base64
import json
import os
import sys
from pathlib import Path

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its list of prices is not fetched
import litellm

litellm.suppress_debug_info = True

url, photo = sys.argv[1:]
data = base64.b64encode(Path(photo).read_bytes()).decode()
question = {
    "role": "user",
    "content": [
        {"type": "text", "text": "What is in this picture?"},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
    ],
}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "scene",
        "schema": {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]},
    },
}
found = {}
for name, base in (("ollama_chat/qwen2-vl-2b-instruct", url), ("openai/qwen2-vl-2b-instruct", f"{url}/v1")):
    common = {"model": name, "api_base": base, "api_key": "any", "messages": [question], "temperature": 0}
    whole = litellm.completion(**common)
    streamed = litellm.completion(**common, stream=True)
    structured = litellm.completion(**common, response_format=SCHEMA)
    try:
        litellm.completion(**{**common, "model": name.replace("qwen2-vl-2b-instruct", "llava")})
        error = None
    except Exception as raised:
        error = str(raised)
    found[name.partition("/")[0]] = {
        "whole": whole.choices[0].message.content,
        "usage": whole.usage.completion_tokens,
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in streamed),
        "structured": json.loads(structured.choices[0].message.content),
        "error": error,
    }
print(json.dumps(found))
