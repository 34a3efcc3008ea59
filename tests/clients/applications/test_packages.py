"""Packages that applications are made with, in an environment of their own."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.pictures import DATA
from support.server import MODEL, ROOT, Server
from support.slow import SLOW

FOLDER = ROOT / ".build/clients"
SCRIPTS = Path(__file__).parent / "scripts"
PHOTO = str(DATA / "chelsea.jpg")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home for the packages: they keep files there, and must find none of whoever runs the tests."""
    assert FOLDER.exists(), "the packages are not installed: make clients"
    home = str(tmp_path_factory.mktemp("home"))
    return {"HOME": home, "LLM_USER_PATH": home, "PATH": f"{FOLDER}/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(environment: dict[str, str], script: str, *arguments: str) -> dict[str, Any]:
    """What a script prints."""
    found: dict[str, Any] = json.loads(run(environment, "python", str(SCRIPTS / script), *arguments))
    return found


def test_ollama_python(environment: dict[str, str], server: Server) -> None:
    found = ask(environment, "ollama_python.py", server.url, PHOTO)
    ((name, digest, family),) = found["list"]
    assert (name, len(digest), family) == (f"{MODEL}:latest", 64, "qwen2vl")
    assert found["show"] == [["completion", "vision"], 2048]
    text, reason, count, duration = found["chat"]
    assert text
    assert reason == "stop"
    assert count > 0
    assert duration > 0
    assert found["chat streamed"] == [text, count]
    assert isinstance(found["format"]["colour"], str)
    assert isinstance(found["generate"], dict)
    assert len(found["generate streamed"]) == 6
    assert found["ps"] == [[f"{MODEL}:latest", 2048]]
    assert found["pull"] == ["success", ["pulling manifest", "success"]]
    assert found["load"] == "load"
    errors = found["errors"]
    assert errors["unknown"] == errors["unknown, streamed"]
    assert {name: error[0] for name, error in errors.items()} == {
        "unknown": 404, "unknown, streamed": 404, "embed": 400, "copy": 404, "long": 400
    }  # fmt: skip
    assert errors["unknown"][1].startswith("model 'llava' not found")
    assert "too long" in errors["long"][1]


def test_ollama_python_takes_signs_of_life_and_raises_what_failed(
    environment: dict[str, str], make_server: Callable[..., Server]
) -> None:
    server = make_server(
        config={"server": {"heartbeat_interval": 0.02}},
        emulator=SLOW,
        faults={"crash_after_tokens": 3},
    ).start()
    found = ask(environment, "ollama_slow.py", server.url)
    assert "" in found["texts"]
    assert "".join(found["texts"])
    assert "not available" in found["error"]


def test_langchain_ollama(environment: dict[str, str], server: Server) -> None:
    found = ask(environment, "langchain_chat_ollama.py", server.url, PHOTO)
    text, usage, reason = found["invoke"]
    assert text == found["stream"]
    assert reason == "stop"
    assert usage["input_tokens"] > 144
    assert usage["output_tokens"] > 0
    assert found["conversation"]
    assert isinstance(found["structured"]["indoors"], bool)


def test_llm_ollama(environment: dict[str, str], server: Server) -> None:
    """The command llm with its plugin for Ollama, as people type it."""
    environment = {**environment, "OLLAMA_HOST": server.url}
    listed = run(environment, "llm", "models", "list")
    name = f"ollama/{MODEL}:latest"
    assert f"Ollama: {name}" in listed
    options = ("-o", "temperature", "0")
    question = ("llm", "-m", name, "What is in this picture?", "-a", PHOTO, *options)
    streamed = run(environment, *question)
    assert streamed.strip()
    assert run(environment, *question, "--no-stream") == streamed
    schema = ("--schema", "summary str, animals int")
    assert set(json.loads(run(environment, *question, *schema))) == {"summary", "animals"}


def test_litellm(environment: dict[str, str], server: Server) -> None:
    found = ask(environment, "litellm_client.py", server.url, PHOTO)
    for dialect in ("ollama_chat", "openai"):
        answers = found[dialect]
        assert answers["whole"]
        assert answers["usage"] > 0
        assert answers["streamed"] == answers["whole"]
        assert isinstance(answers["structured"]["summary"], str)
        assert "llava" in answers["error"]


def test_packages_that_force_a_tool_or_a_schema(environment: dict[str, str], server: Server) -> None:
    found = ask(environment, "openai_structured.py", server.url, PHOTO)
    for way in ("instructor", "function_calling", "json_schema", "agents, typed"):
        assert set(found[way]) == {"summary", "animals"}, way
        assert isinstance(found[way]["animals"], int)
    assert found["agents"]
    assert found["agents, streamed"] == found["agents"]
