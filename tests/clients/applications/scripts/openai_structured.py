"""Packages that force a tool or a schema (instructor, LangChain), and openai-agents: URL PHOTO."""

import asyncio
import base64
import json
import sys
from pathlib import Path

import instructor
from agents import Agent, ModelSettings, OpenAIResponsesModel, Runner, set_tracing_disabled
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

MODEL = "qwen2-vl-2b-instruct"
url, photo = f"{sys.argv[1]}/v1", sys.argv[2]
picture = "data:image/jpeg;base64," + base64.b64encode(Path(photo).read_bytes()).decode()
content = [
    {"type": "text", "text": "What is in this picture?"},
    {"type": "image_url", "image_url": {"url": picture}},
]


class Scene(BaseModel):
    summary: str
    animals: int


def by_instructor() -> dict[str, object]:
    client = instructor.from_openai(OpenAI(base_url=url, api_key="any"), mode=instructor.Mode.TOOLS)
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.create(model=MODEL, messages=messages, response_model=Scene).model_dump()


def by_langchain(method: str) -> dict[str, object]:
    model = ChatOpenAI(base_url=url, api_key="any", model=MODEL, temperature=0)
    return model.with_structured_output(Scene, method=method).invoke([HumanMessage(content)]).model_dump()


async def by_agents() -> tuple[str, str, dict[str, object]]:
    """The answer of an agent, the same streamed, and one of a type."""
    set_tracing_disabled(True)
    model = OpenAIResponsesModel(model=MODEL, openai_client=AsyncOpenAI(base_url=url, api_key="any"))
    settings = ModelSettings(temperature=0)
    parts = [
        {"type": "input_text", "text": "What is in this picture?"},
        {"type": "input_image", "image_url": picture, "detail": "auto"},
    ]
    asked = [{"role": "user", "content": parts}]
    agent = Agent(name="Eye", instructions="Be short.", model=model, model_settings=settings)
    whole = await Runner.run(agent, asked)
    streamed = Runner.run_streamed(agent, asked)
    async for _ in streamed.stream_events():
        pass
    typed = agent.clone(output_type=Scene)
    scene = await Runner.run(typed, asked)
    return whole.final_output, streamed.final_output, scene.final_output.model_dump()


answer, streamed, scene = asyncio.run(by_agents())
found = {
    "instructor": by_instructor(),
    "function_calling": by_langchain("function_calling"),
    "json_schema": by_langchain("json_schema"),
    "agents": answer,
    "agents, streamed": streamed,
    "agents, typed": scene,
}
print(json.dumps(found))
