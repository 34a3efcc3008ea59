"""The package langchain-ollama: URL PHOTO."""

import base64
import json
import sys
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage
from langchain_ollama import ChatOllama
from pydantic import BaseModel

url, photo = sys.argv[1:]
model = ChatOllama(model="qwen2-vl-2b-instruct", base_url=url, temperature=0, validate_model_on_init=True)
data = base64.b64encode(Path(photo).read_bytes()).decode()
question = HumanMessage(
    [
        {"type": "text", "text": "What is in this picture?"},
        {"type": "image_url", "image_url": f"data:image/jpeg;base64,{data}"},
    ]
)


class Scene(BaseModel):
    indoors: bool
    summary: str


found = {}
answer = model.invoke([question])
found["invoke"] = [answer.content, answer.usage_metadata, answer.response_metadata["done_reason"]]
found["stream"] = "".join(chunk.content for chunk in model.stream([question]))
found["conversation"] = model.invoke([question, AIMessage("A scene."), HumanMessage("What else?")]).content
found["structured"] = model.with_structured_output(Scene).invoke([question]).model_dump()
print(json.dumps(found))
